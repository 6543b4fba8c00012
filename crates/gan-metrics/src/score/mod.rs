//! Scores of sets of features, and of pairs of pictures.
