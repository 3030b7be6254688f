"""Faults of a training that its capture shows by itself, without an experiment."""

from . import faults_graph, faults_prediction, faults_rows, faults_steps

CHECKS = (
    faults_steps.not_optimised,
    faults_steps.no_steps,
    faults_steps.zeroed_too_early,
    faults_steps.never_zeroed,
    faults_steps.early_steps,
    faults_steps.optimizer_made_anew,
    faults_steps.model_made_anew,
    faults_rows.shuffled_apart,
    faults_graph.broadcast,
    faults_graph.over_the_batch,
    faults_graph.one_output_as_classes,
    faults_graph.cut_graph,
    faults_graph.cut_loss,
    faults_graph.rounded,
    faults_graph.masked_in_place,
    faults_prediction.largest_of_one,
    faults_prediction.largest_of_batch,
    faults_prediction.asked_otherwise,
    faults_graph.frozen,
    faults_graph.wrong_mode,
    faults_graph.squashed_twice,
    faults_graph.rectified_output,
    faults_graph.linear_after_linear,
    faults_prediction.only_at_prediction,
    faults_graph.inverted_weights,
)


def find(recorder, training):
    """Faults of a training; of None: those that keep a script from training anything."""
    checks = CHECKS if training is not None else (faults_graph.cut_loss, faults_steps.no_backward)
    return [f for check in checks for f in check(recorder, training)]
