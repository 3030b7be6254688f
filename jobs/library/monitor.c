/* Watches the predictions of another MPI program: every rank adds the rows that it predicted, one
 * reduction brings them together, and rank 0 says what all of them show. It prints the same on any
 * number of ranks: sums over rows are exact. Valid C++20 as well.
 *
 *   mpicc monitor.c $(pkg-config --cflags --libs pitprop) -o monitor
 *   mpirun -n 2 ./monitor [SIGNAL] */
#include <mpi.h>
#include <pitprop/sketch.h>
#include <pitprop/verdict.h>
#include <stdio.h>
#include <stdlib.h>

/* A sketch is one block of plain bytes, so that MPI can carry and merge it. */
static void merge(void *from, void *into, int *count, MPI_Datatype *type)
{
    int size;
    MPI_Type_size(*type, &size);
    for (int i = 0; i < *count; i++)
        pp_sketch_merge((char *)into + i * size, (char *)from + i * size, (size_t)size);
}

/* Collective: rank 0's sketch gets the rows of all ranks. */
static void reduce(pp_sketch *sketch, const pp_sketch_shape *shape, MPI_Comm comm)
{
    int rank;
    MPI_Datatype type;
    MPI_Op op;
    MPI_Comm_rank(comm, &rank);
    MPI_Type_contiguous((int)pp_sketch_bytes(shape), MPI_BYTE, &type);
    MPI_Type_commit(&type);
    MPI_Op_create(merge, 1, &op);
    MPI_Reduce(rank == 0 ? MPI_IN_PLACE : sketch, sketch, 1, type, op, 0, comm);
    MPI_Op_free(&op);
    MPI_Type_free(&type);
}

/* Your model: the probability of class 1 of a row. At signal 0 it says 0.5 to everything. */
static float predict(int64_t row, int64_t y, double signal)
{
    double noise = (double)(row * 7919 % 1000) / 1000 - 0.5;
    return (float)(0.5 + signal * ((y ? 0.2 : -0.2) + 0.5 * noise));
}

enum { ROWS = 10000, BATCH = 50 };

static void add_batch(pp_sketch *sketch, int64_t first, double signal)
{
    int64_t index[BATCH], y[BATCH];
    float p[BATCH];
    for (int i = 0; i < BATCH; i++) {
        index[i] = first + i;
        y[i] = index[i] * 104729 % 97 < 30;
        p[i] = predict(index[i], y[i], signal);
    }
    pp_sketch_rows rows = {.rows = BATCH, .index = index, .p = p, .y = y};
    pp_sketch_add(sketch, &rows);
}

int main(int argc, char **argv)
{
    int rank, ranks;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    double signal = argc > 1 ? atof(argv[1]) : 0.0;

    pp_sketch_shape shape = {.kind = PP_SKETCH_BINARY, .classes = 2, .columns = 1};
    pp_sketch *sketch = pp_sketch_create(&shape);
    if (sketch == NULL) MPI_Abort(MPI_COMM_WORLD, 1);
    for (int64_t first = rank * BATCH; first < ROWS; first += ranks * BATCH)
        add_batch(sketch, first, signal);
    reduce(sketch, &shape, MPI_COMM_WORLD);
    if (rank == 0) {
        pp_summary summary = pp_sketch_summarise(sketch);
        pp_evidence evidence = {.train = &summary, .alpha = 0.001};
        pp_verdict verdict = pp_verdict_of(&evidence);
        pp_json_writer *json = pp_json_writer_create(2);
        pp_verdict_write(&verdict, &evidence, json);
        printf("%s\n%s\n", verdict.sentence, pp_json_text(json, NULL));
        pp_json_writer_destroy(json);
    }
    free(sketch);
    MPI_Finalize();
    return 0;
}
