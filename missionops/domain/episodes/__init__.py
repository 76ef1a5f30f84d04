"""Episodes: how an alarm begins, rises and ends by the samples of a parameter, in their order."""
