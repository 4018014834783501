//! REST: `_api`, as clients of SharePoint 2013 use it ([MS-CSOMREST], OData 2 and 3).
//!
//! - `search`: what is asked of the search tier.

mod search;

pub(super) use search::find;

use hyper::Response;

use super::farm::Visit;
use crate::http::body::Body;

/// Answers what is asked below `_api`; none: it is elsewhere.
pub(super) async fn answer(_: &Visit<'_>) -> Option<Response<Body>> {
    None
}
