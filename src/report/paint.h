/* Bars, marks and colours, shared by the pictures and the progress line of this folder. */
#ifndef PITPROP_REPORT_PAINT_H
#define PITPROP_REPORT_PAINT_H

#include "report/report.h"

typedef enum pp__ink {
    PP__BOLD,
    PP__DIM,
    PP__BAR,
    PP__MARK,
    PP__GOOD,
    PP__BAD,
    PP__INK_OFF
} pp__ink;

/* Switches colour where the style has it; PP__INK_OFF ends what was begun. */
void pp__ink_set(FILE *stream, pp_style style, pp__ink ink);
/* A bar of `share` (0 to 1) of `cells` columns; anything above 0 shows. Returns columns written. */
int pp__bar(FILE *stream, pp_style style, double share, int cells);
/* Text in words over lines of `width` columns, `indent` of them blank, and a line end. `column`
 * columns of the first line are filled already. */
void pp__wrap(FILE *stream, const char *text, int column, int indent, int width);

#endif
