//! What can be wrong with a set of pictures or features.
