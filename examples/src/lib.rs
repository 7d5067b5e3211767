//! Holds the example programs together.
