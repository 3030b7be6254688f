/* The bare matrix products of one training step: `mpirun -n 2 gemm SECONDS ROWS WIDTH WIDTH...`.
 *
 * Every process runs, for every dense layer and all its rows at once, the products of the forward
 * pass (x W^T), of the weight's gradient (dy^T x) and, but for the first layer, of the input's
 * gradient (dy W), on one thread, all processes at the same time. Rank 0 prints the seconds of one
 * step, of the slowest process, twice: with beta = 0, and with the result cleared by memset and
 * beta = 1, whichever this OpenBLAS does faster; then the name of the kernel. */
#include <cblas.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LAYERS = 16 };

typedef struct layer {
    int in, out;
    float *x, *dx; /* [rows, in] */
    float *y;      /* [rows, out], dy as well */
    float *w, *dw; /* [out, in] */
} layer;

typedef struct stack {
    int rows, n;
    layer layers[MOST_LAYERS];
} stack;

static float *numbers(int rows, int columns)
{
    size_t count = (size_t)rows * (size_t)columns;
    float *values = aligned_alloc(64, (count * sizeof *values + 63) / 64 * 64);
    if (values == NULL) MPI_Abort(MPI_COMM_WORLD, 1);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)((i * 2654435761u >> 8) % 1000) / 1000.0f - 0.5f;
    return values;
}

static void make(stack *net, int n_widths, char **widths)
{
    net->n = n_widths - 1;
    for (int i = 0; i < net->n; i++) {
        layer *l = &net->layers[i];
        l->in = (int)strtol(widths[i], NULL, 10);
        l->out = (int)strtol(widths[i + 1], NULL, 10);
        l->x = i == 0 ? numbers(net->rows, l->in) : net->layers[i - 1].y;
        l->dx = numbers(net->rows, l->in);
        l->y = numbers(net->rows, l->out);
        l->w = numbers(l->out, l->in);
        l->dw = numbers(l->out, l->in);
    }
}

static void product(CBLAS_TRANSPOSE a_as, CBLAS_TRANSPOSE b_as, int m, int n, int k, const float *a,
                    int lda, const float *b, int ldb, float *c, float beta)
{
    if (beta == 1.0f) memset(c, 0, (size_t)m * (size_t)n * sizeof *c);
    cblas_sgemm(CblasRowMajor, a_as, b_as, m, n, k, 1.0f, a, lda, b, ldb, beta, c, n);
}

static void step(const stack *net, float beta)
{
    for (int i = 0; i < net->n; i++) {
        const layer *l = &net->layers[i];
        product(CblasNoTrans, CblasTrans, net->rows, l->out, l->in, l->x, l->in, l->w, l->in, l->y,
                beta);
    }
    for (int i = net->n - 1; i >= 0; i--) {
        const layer *l = &net->layers[i];
        if (i > 0)
            product(CblasNoTrans, CblasNoTrans, net->rows, l->in, l->out, l->y, l->out, l->w, l->in,
                    l->dx, beta);
        product(CblasTrans, CblasNoTrans, l->out, l->in, net->rows, l->y, l->out, l->x, l->in,
                l->dw, beta);
    }
}

/* Seconds of so many steps, of the slowest process. */
static double timed(const stack *net, float beta, long steps)
{
    MPI_Barrier(MPI_COMM_WORLD);
    double seconds = -MPI_Wtime();
    for (long i = 0; i < steps; i++)
        step(net, beta);
    seconds += MPI_Wtime();
    MPI_Allreduce(MPI_IN_PLACE, &seconds, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    return seconds;
}

static double seconds_of_a_step(const stack *net, float beta, double seconds)
{
    long steps = 1;
    double took = timed(net, beta, steps);
    for (; took < seconds / 4; took = timed(net, beta, steps))
        steps *= 2;
    steps = (long)((double)steps * seconds / took) + 1;
    return timed(net, beta, steps) / (double)steps;
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    int rank, n_widths = argc - 3;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (n_widths < 2 || n_widths > MOST_LAYERS + 1) {
        if (rank == 0) fprintf(stderr, "usage: gemm SECONDS ROWS WIDTH WIDTH...\n");
        MPI_Finalize();
        return 2;
    }
    openblas_set_num_threads(1);
    double seconds = strtod(argv[1], NULL);
    stack net = {.rows = (int)strtol(argv[2], NULL, 10)};
    make(&net, n_widths, argv + 3);
    double with_zero = seconds_of_a_step(&net, 0.0f, seconds / 2);
    double with_one = seconds_of_a_step(&net, 1.0f, seconds / 2);
    if (rank == 0) printf("%.9g %.9g %s\n", with_zero, with_one, openblas_get_corename());
    MPI_Finalize();
    return 0;
}
