"""Who is told of which alarm, when, and in which words: pure, so that the moment comes in as an argument."""
