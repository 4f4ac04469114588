"""How fast it is: this project against other ways to train the article's networks, and against the machine."""
