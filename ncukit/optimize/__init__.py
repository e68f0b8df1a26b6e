"""From a diagnosis to a faster kernel: turn its knobs, brief a model, check what it answers, go on from the best."""
