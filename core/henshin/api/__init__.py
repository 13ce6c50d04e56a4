"""The contracts a plugin sees: frames, stages, generators, recipes, training data and the context of a run."""
