/* What a process costs before it does anything: MPI, HDF5 and OpenBLAS started and used once. */
#include <cblas.h>
#include <hdf5.h>
#include <mpi.h>

enum { N = 64 };

int main(int argc, char **argv)
{
    static float a[N * N], b[N * N], c[N * N];
    MPI_Init(&argc, &argv);
    H5open();
    openblas_set_num_threads(1);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, N, N, N, 1.0f, a, N, b, N, 0.0f, c, N);
    int rank, all;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Allreduce(&rank, &all, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    H5close();
    MPI_Finalize();
    return c[0] > 0.0f;
}
