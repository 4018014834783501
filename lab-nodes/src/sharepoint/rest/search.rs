//! What is asked of the search tier.

use hyper::StatusCode;

use crate::sharepoint::farm::{Trouble, Visit};
use crate::sharepoint_search::{self, Answer, Question};

/// Finds what this person may see on this web application.
///
/// # Errors
/// No search tier answers.
pub(in crate::sharepoint) async fn find(
    visit: &Visit<'_>,
    text: &str,
    start: u32,
    rows: u32,
) -> Result<Answer, Trouble> {
    let missing = || {
        let sentence = "search is not to be had at the moment";
        Trouble::Refused(StatusCode::SERVICE_UNAVAILABLE, sentence.to_owned())
    };
    let tier = visit.farm.search.as_ref().ok_or_else(missing)?;
    let question = Question {
        text: text.to_owned(),
        claims: visit.principal.claims(),
        below: format!("https://{}/", visit.application.host),
        start,
        rows,
    };
    let found = sharepoint_search::ask(tier, visit.conversation, &question).await;
    found.map_err(|reason| {
        tracing::error!("a search failed: {reason}");
        missing()
    })
}
