//! `gateway types`: the kinds of events, or the schema of one.

use ::http::Method;
use bytes::Bytes;

use super::arguments::output::{Format, TableArguments};
use super::client::Client;
use super::connection::Connection;
use super::failure::Failure;
use super::list::{self, Listing, shown};
use super::output;
use super::request::Request;

pub(super) async fn run(connection: &Connection, kind: Option<String>, table: TableArguments) -> Result<(), Failure> {
    let Some(kind) = kind else {
        return list::run(connection, Listing::Types, &Request::Types, table).await;
    };
    let client = Client::admin(connection)?;
    let types = client.get("/admin/types").await?;
    let found = types["types"].as_array().into_iter().flatten().find(|row| row["kind"] == kind.as_str());
    let Some(found) = found else {
        return Err(anyhow::anyhow!("there is no kind `{kind}`\nhint: `gateway types` lists them").into());
    };
    if table.output.format == Format::Json {
        return output::json(found);
    }
    let version = shown(&found["schema"]["version"]);
    if version.is_empty() {
        return Err(
            anyhow::anyhow!("kind `{kind}` has no schema\nhint: `[[schemas]]` in gateway.toml gives it one").into()
        );
    }
    let path = format!("/admin/schemas/{version}");
    let reply = client.send(Method::GET, &path, Vec::new(), Bytes::new()).await?;
    client.read(&reply)?;
    // As its author wrote it.
    output::text(&String::from_utf8_lossy(&reply.body))
}
