use crate::options::Options;
use std::sync::Arc;
use studytime_node::Handle;

/// What every route has at hand.
#[derive(Clone)]
pub(crate) struct App {
    /// The node.
    pub(crate) node: Handle,
    /// How the pages are served.
    pub(crate) options: Arc<Options>,
}
