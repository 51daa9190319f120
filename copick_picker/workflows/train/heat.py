"""Columns of the curve for the head ``heatmap``: held-out patches against their targets."""

import numpy as np
import torch
from torch import nn

from copick_picker.core.heads.head import build_head, head_kind, outputs_of
from copick_picker.core.heads.heat_metrics import heat_scores
from copick_picker.core.train.sampling import SamplingRules, batch_at
from copick_picker.settings.train import HEAT_BATCHES, HEAT_RANKS
from copick_picker.workflows.train.training import Training, training_runs

HEAT_COLUMNS = ("soft_dice", "heat_score", *(f"top_{k}" for k in HEAT_RANKS))


@torch.no_grad()
def heat_columns(training: Training, network: nn.Module) -> dict[str, str]:
    """Return soft Dice, heat-map score and top-k accuracy on patches of the validation runs.

    The patches are the same at each validation; runs smaller than a patch have none.

    Parameters
    ----------
    training : Training
        The training.
    network : torch.nn.Module
        Its network, with averaged weights.

    Returns
    -------
    dict
        Column -> value; empty if there is no patch.
    """
    settings = training.settings
    every = training_runs(training, training.store(), training.split.validation)
    window = training.sampling.window_voxels
    runs = [run for run in every if not np.less(run.source.shape_zyx, window).any()]
    if not runs:
        return {}
    head = build_head(settings.head, training.head)
    readout = head_kind(settings.head).read(head.n_outputs, head.settings())
    rules = SamplingRules(window, settings.batch_size, settings.particle_share, 0.0)
    heat, target = [], []
    was_training = network.training
    network.eval()
    for number in range(HEAT_BATCHES):
        batch = batch_at(
            number, runs=runs, rules=rules, head=head, augmentations={}, seed=settings.seed
        )
        patches = torch.from_numpy(batch.patches).to(next(network.parameters()).device)
        outputs = outputs_of(network, patches, output_stride=head.output_stride)
        heat.append(torch.sigmoid(readout.sums(outputs.float())).cpu().numpy())
        target.append(batch.targets)
    network.train(was_training)
    sigma = min(
        blob * spec.radius_angstrom / training.data.voxel_spacing / head.output_stride
        for blob, spec in zip(training.head.blob_radii, training.data.objects, strict=True)
        if spec.radius_angstrom
    )
    found = heat_scores(
        np.concatenate(heat), np.concatenate(target), reach_voxels=2.0 * sigma, ks=HEAT_RANKS
    )
    values = (found.soft_dice, found.heat_score, *found.top_k.values())
    return {name: repr(value) for name, value in zip(HEAT_COLUMNS, values, strict=True)}
