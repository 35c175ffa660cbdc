//! Shared by the examples and benches of this workspace.
