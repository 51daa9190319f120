"""Our own folders outside projects: models, scores, trainings."""
