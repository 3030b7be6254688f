"""Faults of a training that its capture shows by itself, without an experiment."""

from . import faults_graph, faults_prediction, faults_steps

CHECKS = (
    faults_steps.not_optimised,
    faults_steps.no_steps,
    faults_steps.zeroed_too_early,
    faults_steps.never_zeroed,
    faults_graph.broadcast,
    faults_graph.over_the_batch,
    faults_graph.cut_graph,
    faults_prediction.largest_of_one,
    faults_graph.frozen,
    faults_graph.wrong_mode,
    faults_graph.squashed_twice,
    faults_graph.rectified_output,
    faults_graph.linear_after_linear,
    faults_prediction.only_at_prediction,
    faults_graph.inverted_weights,
)


def find(recorder, training):
    return [f for check in CHECKS for f in check(recorder, training)]
