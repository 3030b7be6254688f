/* What the files of the audit share. places.c brings blocks of rows, survey.c looks through them
 * once to settle the task, rows.c checks each row and sketches it, audit.c joins the ranks. */
#ifndef PITPROP_AUDIT_INTERNAL_H
#define PITPROP_AUDIT_INTERNAL_H

#include "audit/audit.h"
#include "pitprop/groups.h"
#include "convert/table.h"

typedef enum pp__role { PP__P, PP__Y, PP__RAW, PP__RANK, PP__HELD_OUT, PP__ROLES } pp__role;

/* Where the numbers of a role are. */
typedef struct pp__view {
    int table, name;        /* table -1: not given */
    int64_t first, columns; /* of the table's values */
} pp__view;

typedef struct pp__places {
    const char *file, *names[PP__ROLES]; /* as given, or by default; NULL: not given; borrowed */
    pp_table *tables[PP__ROLES];
    double *values[PP__ROLES]; /* [block, columns] of each table */
    int n_tables;
    pp__view views[PP__ROLES];
    int64_t rows;                   /* of all ranks */
    int64_t first, count;           /* rows of this rank */
    int64_t block;                  /* rows read at once */
    const char *const *class_names; /* [n_class_names], of p, else of y; borrowed from a table */
    int64_t n_class_names;
    int labels_unnamed; /* p has names of classes, y has none */
} pp__places;

/* ---- places.c ---- */
/* Collective: opens and compares the places, and gives each rank its rows. */
pp_status pp__places_open(pp_comm *comm, const pp_audit_spec *spec, pp__places *places,
                          pp_error *err);
void pp__places_close(pp__places *places);
/* Rows [first, first + count) of the tables of these roles (bits 1 << role), count <= block. */
pp_status pp__places_read(pp__places *places, int64_t first, int64_t count, unsigned roles,
                          pp_error *err);
int pp__places_has(const pp__places *places, pp__role role);
/* The values of a row, counted from the first one of the block that was read last. */
const double *pp__places_row(const pp__places *places, pp__role role, int64_t row);
/* "preds.h5: /y: row 7" of a row of the block that was read last. */
void pp__places_locate(const pp__places *places, pp__role role, int64_t row, char *text,
                       size_t size);

/* "preds.h5: /y", for messages about all of it. */
void pp__places_name(const pp__places *places, pp__role role, char *text, size_t size);

/* ---- survey.c ---- */
typedef struct pp__survey {
    double y_min, y_max;
    int y_whole, y_binary, y_one_hot; /* whole numbers; 0 and 1 only; several columns, a 1 a row */
    int p_inside, p_finite;           /* one column: within [0, 1] where finite; some is */
} pp__survey;

/* Collective: what the rows show, and from that the task and the shape of the sketch. */
pp_status pp__survey_rows(pp_comm *comm, pp__places *places, pp__survey *survey, pp_error *err);
pp_status pp__settle_task(const pp_audit_spec *spec, const pp__places *places,
                          const pp__survey *survey, pp_sketch_shape *shape, pp_error *err);

/* ---- rows.c ---- */
enum { PP__MOST_GROUPS = 1 << 16 };

/* Rows by the process that predicted them. */
typedef struct pp__groups {
    pp_group *of; /* [count], malloc'ed; NULL: not given */
    int64_t count;
} pp__groups;

/* Checks this rank's rows and adds them: sketches [2] of rows not held out and held out. */
pp_status pp__sketch_rows(const pp_audit_spec *spec, pp__places *places,
                          const pp_sketch_shape *shape, pp_sketch *sketches[2], pp__groups *groups,
                          pp_error *err);

#endif
