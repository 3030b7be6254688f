#include "trial_internal.h"

static double now(void)
{
    return pp_comm_seconds();
}

/* Brings the rows of this step; returns how many the global batch has, and this rank's share. */
static double rows_to_batch(trial *t, int64_t *mine)
{
    double begun = now();
    pp_dataset_start_epoch(t->data, t->step / t->steps_per_epoch);
    int64_t rows =
        pp_dataset_batch(t->data, t->step % t->steps_per_epoch, &t->batch.rows, t->lane_rows);
    *mine = 0;
    for (int l = 0; l < t->range.count; l++)
        *mine += t->lane_rows[l];
    t->backend->upload(t->device, t->batch.x, t->batch.rows.x,
                       (size_t)(*mine * t->info->inputs) * sizeof(float));
    t->watch_time.input += now() - begun;
    return (double)rows;
}

/* Losses lane by lane (what a loss mixes, it mixes within a lane), and exact sums of them and of
 * their squares. */
static void losses(trial *t, const float *z, pp_sum sums[2])
{
    row_buffers *b = &t->batch;
    int64_t outputs = t->model->outputs, first = 0;
    for (int l = 0; l < t->range.count; first += t->lane_rows[l++]) {
        pp_loss_rows(&t->loss, t->lane_rows[l], z + first * outputs,
                     b->rows.y + first * t->info->y_columns, b->rows.weight + first,
                     b->row_loss + first, b->dz + first * outputs, b->scratch);
        pp__trial_add_losses(b, first, t->lane_rows[l], sums);
        pp__trial_compare(t, t->lane_rows[l], z + first * outputs);
    }
}

static int bits_of(const trial *t, const pp_sum *loss)
{
    const pp_job_checkpoint *c = &t->job->checkpoint;
    int bits = loss->bad > 0 ? BIT_NON_FINITE : 0;
    if (pp_dataset_status(t->data, NULL) != PP_OK) bits |= BIT_NO_INPUT;
    if (t->spec->stop != NULL && *t->spec->stop) bits |= BIT_STOP;
    if (t->rank == 0 && c->every_seconds > 0 && now() - t->last_save >= c->every_seconds)
        bits |= BIT_SAVE;
    return bits;
}

/* Collective. */
static void write_step_row(trial *t, pp_sum *loss, double rows, double lr, double norm)
{
    pp_sum_normalise(loss);
    pp_comm_sum_i64(t->comm, (int64_t *)loss, sizeof *loss / sizeof(int64_t));
    t->last_loss = pp_sum_value(loss) / rows;
    pp_json_writer *row = t->rank == 0 ? pp_json_writer_create(0) : NULL;
    if (row != NULL) {
        pp_json_begin_object(row, NULL);
        pp_json_put_string(row, "type", "step");
        pp_json_put_int(row, "step", t->step + 1);
        pp_json_put_number(row, "epoch", (double)(t->step + 1) / (double)t->steps_per_epoch);
        pp_json_put_number(row, "loss", t->last_loss);
        pp_json_put_number(row, "lr", lr);
        pp_json_put_number(row, "gradient_norm", norm);
    }
    pp__trial_timing(t, row);
    if (row != NULL) pp_json_end_object(row);
    pp__trial_metrics(t, row);
    pp_json_writer_destroy(row);
}

int pp__trial_step(trial *t)
{
    const pp_backend *backend = t->backend;
    row_buffers *b = &t->batch;
    int64_t every = t->job->monitor.log_steps;
    int logged = every > 0 && (t->step + 1) % every == 0;
    int looked = pp__trial_look_is_due(t, t->step + 1);
    double lr = pp_schedule_lr(t->job, &t->watch, t->step, t->steps, t->steps_per_epoch);
    int64_t mine;
    pp__life_at(t->life, PP_PHASE_INPUT, t->step);
    double rows = rows_to_batch(t, &mine);
    pp_sum loss[2] = {{{0}, 0}};

    pp__life_at(t->life, PP_PHASE_FORWARD, t->step);
    const float *z = pp_pass_forward(t->pass, t->params, b->x, t->lane_rows, t->step);
    size_t bytes = (size_t)(mine * t->model->outputs) * sizeof(float);
    backend->download(t->device, b->z, z, bytes);
    losses(t, b->z, loss);
    if (loss->bad > 0) pp__trial_find_non_finite(t, mine);
    backend->upload(t->device, b->dz_device, b->dz, bytes);
    if (pp__trial_sketch_is_due(t)) pp__trial_sketch(t, t->running, mine, b, loss);

    pp_exchange_step step = {.update = pp_update_at(&t->job->optimizer, lr, t->step),
                             .rows = rows,
                             .clip_norm = t->job->training.clip_norm,
                             .want_norm = logged || looked};
    pp_comm_start_or(t->comm, bits_of(t, loss));
    pp_exchange_begin(t->exchange, &step);
    pp__life_at(t->life, PP_PHASE_BACKWARD, t->step);
    pp_pass_backward(t->pass, t->params, b->x, b->dz_device, pp_exchange_gradients(t->exchange),
                     pp_exchange_ready, t->exchange);
    pp__life_at(t->life, PP_PHASE_EXCHANGE, t->step);
    pp_exchange_finish(t->exchange);
    int bits = pp_comm_finish_or(t->comm);
    if (bits & BIT_NO_INPUT) return bits;

    t->watch_time.exchange += pp_exchange_waited(t->exchange);
    t->watch_time.rows += (int64_t)rows;
    t->trained_rows += rows;
    if (logged || looked) {
        double norm = pp_exchange_norm(t->exchange, &t->gradient);
        if (logged) write_step_row(t, loss, rows, lr, norm);
    }
    t->step++;
    return bits;
}
