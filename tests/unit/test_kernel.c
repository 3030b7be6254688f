/* When the program stays with OpenBLAS's kernel, starts again with another, or refuses: on CPUs
 * that this machine is not. */
#include <stdio.h>
#include <string.h>

#include "compute/cpu/kernel_rule.h"
#include "support/test.h"

static int has_none(const char *feature)
{
    (void)feature;
    return 0;
}

static int has_sse(const char *feature)
{
    return strcmp(feature, "pni") == 0 || strcmp(feature, "ssse3") == 0 ||
           strcmp(feature, "sse4_2") == 0;
}

static int has_avx2(const char *feature)
{
    return has_sse(feature) || strcmp(feature, "avx") == 0 || strcmp(feature, "avx2") == 0 ||
           strcmp(feature, "fma") == 0;
}

static int has_avx512(const char *feature)
{
    return has_avx2(feature) || strncmp(feature, "avx512", 6) == 0;
}

static int has_avx512_without_bf16(const char *feature)
{
    return has_avx512(feature) && strcmp(feature, "avx512_bf16") != 0;
}

static pp__kernel_facts facts(const char *loaded, int (*has)(const char *feature))
{
    return (pp__kernel_facts){
        .loaded = loaded, .wanted = "auto", .is_right = 1, .can_start = 1, .has = has};
}

static void expect(pp__kernel_facts f, pp__kernel_act act, const char *kernel_or_text)
{
    pp__kernel_plan plan = pp__kernel_decide(&f);
    CU_ASSERT_EQUAL(plan.act, act);
    if (act == PP_KERNEL_START) CU_ASSERT_STRING_EQUAL(plan.kernel, kernel_or_text);
    if (act == PP_KERNEL_REFUSE) CU_ASSERT_PTR_NOT_NULL(strstr(plan.text, kernel_or_text));
}

static void test_own_choice(void)
{
    expect(facts("Zen", has_avx2), PP_KERNEL_STAY, NULL);
    expect(facts("Haswell", has_avx2), PP_KERNEL_STAY, NULL);
    expect(facts("SkylakeX", has_avx512), PP_KERNEL_STAY, NULL);
    expect(facts("Cooperlake", has_avx512), PP_KERNEL_STAY, NULL);
    expect(facts("Prescott", has_sse), PP_KERNEL_STAY, NULL);
    /* Newer than the table, or of another architecture: nothing is known against it. */
    expect(facts("SapphireRapids", has_avx512), PP_KERNEL_STAY, NULL);
    expect(facts("neoversen1", has_none), PP_KERNEL_STAY, NULL);
}

static void test_fallen_back(void)
{
    expect(facts("Prescott", has_avx512), PP_KERNEL_START, "Cooperlake");
    expect(facts("Prescott", has_avx512_without_bf16), PP_KERNEL_START, "SkylakeX");
    expect(facts("Haswell", has_avx512_without_bf16), PP_KERNEL_START, "SkylakeX");
    expect(facts("Prescott", has_avx2), PP_KERNEL_START, "Haswell");
    pp__kernel_facts f = facts("Prescott", has_avx2);
    f.can_start = 0;
    expect(f, PP_KERNEL_STAY, NULL);
    CU_ASSERT_STRING_EQUAL(pp__kernel_better(&f), "Haswell");
}

/* A user's word is obeyed, but for what would end in an illegal instruction or in wrong numbers. */
static void test_asked(void)
{
    pp__kernel_facts f = facts("Prescott", has_avx512);
    f.asked = "Prescott";
    expect(f, PP_KERNEL_STAY, NULL);
    CU_ASSERT_STRING_EQUAL(pp__kernel_better(&f), "Cooperlake");
    f.is_right = 0;
    expect(f, PP_KERNEL_REFUSE, "multiplies wrongly");
    f = facts("SkylakeX", has_avx2);
    f.asked = "SkylakeX";
    f.is_right = 0;
    expect(f, PP_KERNEL_REFUSE, "avx512f");
}

static void test_named(void)
{
    pp__kernel_facts f = facts("Zen", has_avx2);
    f.wanted = "zen";
    expect(f, PP_KERNEL_STAY, NULL);
    f.wanted = "Haswell";
    expect(f, PP_KERNEL_START, "Haswell");
    f.asked = "Prescott"; /* the job's bits come first */
    expect(f, PP_KERNEL_START, "Haswell");
    f.can_start = 0;
    expect(f, PP_KERNEL_REFUSE, "OPENBLAS_CORETYPE=Haswell");
    f.can_start = 1;
    f.wanted = "SkylakeX";
    expect(f, PP_KERNEL_REFUSE, "avx512f");
    f.wanted = "Abacus"; /* may be one that this CPU has no instructions for */
    expect(f, PP_KERNEL_REFUSE, "OPENBLAS_CORETYPE=Abacus");
}

/* Follows the program from start to start as a build of OpenBLAS answers: `built` names the kernels
 * that it has, `wrong` those that multiply wrongly. Returns how often it started. */
static int follow(pp__kernel_facts *f, const char *built, const char *wrong, pp__kernel_plan *last)
{
    static char asked[PP_KERNEL_NAME], loaded[PP_KERNEL_NAME];
    const char *fallen = f->loaded;
    for (int starts = 0; starts < 20; starts++) {
        f->is_right = strstr(wrong, f->loaded) == NULL;
        *last = pp__kernel_decide(f);
        if (last->act != PP_KERNEL_START) return starts;
        f->mark = last->mark;
        snprintf(asked, sizeof asked, "%s", last->kernel);
        snprintf(loaded, sizeof loaded, "%s", strstr(built, asked) ? asked : fallen);
        f->asked = asked;
        f->loaded = loaded;
    }
    return 20;
}

static void test_no_loop(void)
{
    static const struct {
        const char *built, *wrong, *ends_as;
        int starts;
        pp__kernel_act act;
    } ways[] = {
        {"Cooperlake SkylakeX Haswell Prescott", "", "Cooperlake", 1, PP_KERNEL_STAY},
        {"SkylakeX Haswell Prescott", "", "SkylakeX", 2, PP_KERNEL_STAY},
        {"Prescott", "", "Prescott", 6, PP_KERNEL_STAY}, /* each of the wider ones in vain */
        {"Cooperlake SkylakeX Haswell Prescott", "Cooperlake", "SkylakeX", 2, PP_KERNEL_STAY},
        {"Cooperlake Prescott", "Cooperlake", "Prescott", 5, PP_KERNEL_STAY},
        {"Cooperlake Prescott", "Cooperlake Prescott", "Prescott", 5, PP_KERNEL_REFUSE},
    };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        pp__kernel_facts f = facts("Prescott", has_avx512);
        pp__kernel_plan last;
        int starts = follow(&f, ways[i].built, ways[i].wrong, &last);
        CU_ASSERT_TRUE(starts <= ways[i].starts);
        CU_ASSERT_EQUAL(last.act, ways[i].act);
        CU_ASSERT_STRING_EQUAL(f.loaded, ways[i].ends_as);
    }
    pp__kernel_facts f = facts("Zen", has_avx2);
    pp__kernel_plan last;
    f.wanted = "Haswell";
    CU_ASSERT_EQUAL(follow(&f, "Zen", "", &last), 1);
    CU_ASSERT_EQUAL(last.act, PP_KERNEL_REFUSE);
    CU_ASSERT_PTR_NOT_NULL(strstr(last.text, "has no Haswell kernel"));
}

/* What a program that was started again starts in turn has its environment, on another CPU perhaps.
 */
static void test_inherited(void)
{
    pp__kernel_mark mark = {1, 0, "Prescott", "Haswell", "-"};
    pp__kernel_facts f = facts("Haswell", has_avx2);
    f.mark = mark;
    f.asked = "Haswell";
    CU_ASSERT_FALSE(pp__kernel_is_asked(&f));
    expect(f, PP_KERNEL_STAY, NULL);
    f.has = has_avx512;
    expect(f, PP_KERNEL_START, "Cooperlake");
    f.asked = f.loaded = "Prescott"; /* and a user's word since then */
    CU_ASSERT_TRUE(pp__kernel_is_asked(&f));
    expect(f, PP_KERNEL_STAY, NULL);
    snprintf(f.mark.set, sizeof f.mark.set, "Cooperlake");
    f.asked = f.loaded = "Cooperlake";
    f.has = has_avx2;
    f.is_right = 0;
    expect(f, PP_KERNEL_START, "Haswell");
}

const pp_test pp_tests_kernel[] = {
    {"what OpenBLAS chose well is kept", test_own_choice},
    {"what fell back starts again with the widest that the CPU runs", test_fallen_back},
    {"OPENBLAS_CORETYPE is obeyed", test_asked},
    {"runtime.blas_kernel starts again or refuses", test_named},
    {"starts end, whatever OpenBLAS answers", test_no_loop},
    {"an inherited kernel is judged anew", test_inherited},
    {0}};
