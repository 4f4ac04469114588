"""The benchmark: the speed of this project, of other ways to train the article's networks, and of the machine."""
