"""What is learnt: each data set as one tensor, and the order in which its samples are seen."""
