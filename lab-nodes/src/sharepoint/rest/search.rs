//! What is asked of the search tier.

use hyper::{Method, StatusCode};
use serde_json::json;

use super::Call;
use super::entity::{self, Form};
use crate::http::form;
use crate::sharepoint::answer;
use crate::sharepoint::farm::{Answered, Trouble, Visit};
use crate::sharepoint_search::{self, Answer, Hit, Question};

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

/// Answers `search/query` and `search/postquery` ([MS-CSOMREST], the search REST service).
pub(super) async fn answer(call: &Call<'_>) -> Answered {
    let name = call
        .segments
        .get(1)
        .map_or("", |segment| segment.name.as_str());
    let (text, start, rows) = match (name, call.visit.method) {
        ("query", &Method::GET) => asked(call)?,
        ("postquery", &Method::POST) => {
            call.visit
                .check_digest(call.visit.header("x-requestdigest"))?;
            posted(&call.visit.body)?
        }
        _ => return Err(Trouble::missing("resource")),
    };
    let found = find(call.visit, &text, start, rows).await?;
    let cells = |hit: &Hit| {
        let cell = |key: &str, value: &str| json!({ "Key": key, "Value": value, "ValueType": "Edm.String" });
        let summary = hit
            .summary
            .replace('\u{2}', "<c0>")
            .replace('\u{3}', "</c0>");
        json!({ "Cells": [
            cell("Title", &hit.title),
            cell("Author", &hit.author),
            cell("Path", &hit.url),
            cell("LastModifiedTime", &hit.modified),
            cell("HitHighlightedSummary", &summary),
            cell("UniqueId", &hit.id),
        ] })
    };
    let table: Vec<serde_json::Value> = found.hits.iter().map(cells).collect();
    let result = json!({
        "ElapsedTime": 1,
        "PrimaryQueryResult": { "RelevantResults": {
            "RowCount": found.hits.len(),
            "TotalRows": found.total,
            "TotalRowsIncludingDuplicates": found.total,
            "Table": { "Rows": table },
        } },
        "SpellingSuggestion": "",
    });
    let kind = "Microsoft.Office.Server.Search.REST.SearchResult";
    let text = entity::value(name, &result, kind, call.form, &call.site);
    let kind = match call.form {
        Form::Atom => "application/xml;charset=utf-8",
        json => json.content_type(),
    };
    Ok(answer::with(StatusCode::OK, kind, text))
}

type Asked = (String, u32, u32);

fn asked(call: &Call<'_>) -> Result<Asked, Trouble> {
    let form = form::Form::read(call.visit.query.as_bytes()).unwrap_or_default();
    let literal = |name: &str| {
        let text = form.get(name)?;
        let quoted = text
            .strip_prefix('\'')
            .and_then(|text| text.strip_suffix('\''));
        Some(quoted.unwrap_or(text).replace("''", "'"))
    };
    let number = |name: &str, usual| {
        literal(name).map_or(Ok(usual), |text| {
            text.parse().map_err(|_| Trouble::bad("no number"))
        })
    };
    let text = literal("querytext").ok_or_else(|| Trouble::bad("there is no querytext"))?;
    Ok((text, number("startrow", 0)?, number("rowlimit", 10)?))
}

fn posted(body: &[u8]) -> Result<Asked, Trouble> {
    let body: serde_json::Value = serde_json::from_slice(body)
        .map_err(|error| Trouble::bad(format!("the body is no JSON: {error}")))?;
    let request = &body["request"];
    let text = request["Querytext"].as_str();
    let text = text.ok_or_else(|| Trouble::bad("there is no Querytext"))?;
    let number = |name: &str, usual: u32| {
        request[name]
            .as_u64()
            .and_then(|number| number.try_into().ok())
            .unwrap_or(usual)
    };
    Ok((
        text.to_owned(),
        number("StartRow", 0),
        number("RowLimit", 10),
    ))
}
