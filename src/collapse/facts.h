/* What the predicates ask about predictions, for this folder only. */
#ifndef PITPROP_COLLAPSE_FACTS_H
#define PITPROP_COLLAPSE_FACTS_H

#include "pitprop/verdict.h"

enum { PP__FEW_ROWS = 20 }; /* below, only what needs no statistics is said */

#define PP__SAME_MASS 0.98    /* this share of rows at one value is "every prediction" */
#define PP__SAME_SPREAD 0.02  /* or this deviation, in units of the targets' */
#define PP__USEFUL_SKILL 0.05 /* beyond what predictions within the tolerance could earn */
#define PP__USEFUL_AUC 0.05   /* an AUC nearer to 1/2 is not worth having */
#define PP__USEFUL_R 0.1      /* nor a correlation nearer to 0 */
/* An AUC or a correlation beyond these tells inputs apart, however bad the probabilities or the
 * scale. */
#define PP__GOOD_AUC 0.1
#define PP__GOOD_R 0.3
#define PP__PROBABLE 0.1         /* two-sided level of a test that rests on another at its own */
#define PP__USEFUL_DECISION 0.05 /* balanced accuracy above chance that is worth having */

/* One part of the rows at the level of a decision. */
typedef struct pp__facts {
    const pp_summary *s;
    double level, z; /* two-sided, of a single test */
    int64_t rows;    /* finite */
    int varied;      /* the targets differ, so that there is something to tell apart */
    int ranked;      /* the ranks of some output are associated with the targets beyond chance */
    int associated;  /* that, or the answers with the targets */
    int informative; /* ... and large, for sure */
    int skilled;     /* better than the best constant, by the loss that applies: for sure; or, where
                        an association is, probably */
    int decides;     /* the answers are better than chance; tested like that */
    int decides_well; /* ... by enough, and not much worse than other thresholds would make them */
    int worse;        /* than the best constant, for sure */
    int moved; /* worse than it by a shift of all log-odds alone, while the answers are good: class
                  weights and other base rates do that */
    double effective; /* rows but for copies and unequal weights; small samples are of these */
    int nearly_constant;
    double skill_error;          /* what the skill may be off by, either way */
    double effect, effect_error; /* |AUC - 1/2| or |correlation|; with the error that it exceeds
                                    with the chance `level` on one side */
    double useful;               /* what of it is worth having */
} pp__facts;

pp__facts pp__facts_of(const pp_summary *summary, double level);
int pp__is_classification(const pp_summary *s);
int pp__is_at_base(const pp__facts *f);
/* Whether a skill with this standard error is above 0 for sure, if it stands alone. */
int pp__is_positive(const pp__facts *f, double skill, double error);

/* ---- predicates: is this so, of these facts? ---- */
typedef struct pp__case {
    const pp_evidence *e;
    pp__facts train, judged, running; /* running.s NULL: unknown */
    int has_held_out;                 /* rows that can be judged by */
    int flat_held_out; /* held-out rows whose targets do not differ: judged on training rows */
    int falling;       /* the training loss, over the last quarter of the looks */
    int improved;      /* ... since the first look */
} pp__case;

pp__case pp__case_of(const pp_evidence *evidence, double level);
int pp__holds(pp_verdict_id id, const pp__case *c);
/* NONE: not worse than a constant, or nothing is told apart. */
pp_reason pp__reason_of(const pp__case *c);
/* Of the looks. */
int pp__has_risen(const pp_history *h);
/* Whether the mean loss of the last look is less than that of `back` looks before, by more than
 * noise at this two-sided level. */
int pp__has_fallen(const pp_history *h, int64_t back, double level);
double pp__last_loss(const pp_history *h);
void pp__say(pp_verdict *verdict, const pp__case *c);
/* More text for the sentence, up to its end. */
void pp__say_more(pp_verdict *v, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Lines that apply whatever the verdict is; why it is worse than a constant. */
void pp__say_remarks(pp_verdict *v, const pp__case *c);
void pp__say_reason(pp_verdict *v, const pp__case *c);
/* "class 3", "output price". */
void pp__part_name(const pp_evidence *e, const pp_summary *s, int part, char *text, size_t size);

#endif
