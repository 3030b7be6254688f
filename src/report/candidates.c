#include "report/report.h"

#include <stdio.h>
#include <string.h>

#include "paint.h"
#include "audit/candidates.h"
#include "study/causes/cause.h"

enum { TEXT_AT = 14 };

static void put_part(FILE *stream, pp_style style, const char *name, const char *text)
{
    fprintf(stream, "     %-*s", TEXT_AT - 5, name);
    pp__wrap(stream, text, TEXT_AT, TEXT_AT, style.width);
}

/* Where there is a page about it. */
static void put_page(FILE *stream, pp_style style, const char *id)
{
    char command[96];
    if (pp_cause_find(id, strlen(id)) == NULL) return;
    snprintf(command, sizeof command, "pitprop why --explain %s", id);
    put_part(stream, style, "more", command);
}

void pp_report_candidates(FILE *stream, pp_style style, const pp_verdict *verdict,
                          const pp_summary *summary)
{
    int count, shown = 0;
    const pp_candidate *table = pp_candidates(&count);
    for (int i = 0; i < count; i++) {
        if (!pp_candidate_fits(table + i, verdict, summary)) continue;
        if (shown++ == 0)
            fputs("\nCandidate causes. Predictions alone prove none of them: each is compatible "
                  "with the\nevidence above, and its test decides.\n",
                  stream);
        pp__ink_set(stream, style, PP__BOLD);
        fprintf(stream, "\n  %d. %s", shown, table[i].id);
        pp__ink_set(stream, style, PP__INK_OFF);
        fputc('\n', stream);
        put_part(stream, style, "what", table[i].title);
        put_part(stream, style, "look for", table[i].look_for);
        put_part(stream, style, "test", table[i].test);
        put_page(stream, style, table[i].id);
    }
}
