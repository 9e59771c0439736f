//! Lists of the admin API as tables.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::Value;

use super::arguments::output::{Format, TableArguments};
use super::cell::file_name;
pub(super) use super::cell::{bad_endpoints, forecast, shown};
use super::client::Client;
use super::connection::Connection;
use super::failure::Failure;
pub(super) use super::listing::Listing;
use super::listing::TIMES;
use super::output;
use super::query;
use super::request::Request;
use super::table::fitted;
use super::terminal::View;

/// Prints a list.
pub(super) async fn run(
    connection: &Connection,
    listing: Listing,
    request: &Request,
    table: TableArguments,
) -> Result<(), Failure> {
    let answer = query::fetch(connection, request).await?;
    print(listing, &answer, table)
}

/// Prints the channels or plugins that somebody has set up.
pub(super) async fn run_set_up(
    connection: &Connection,
    listing: Listing,
    request: &Request,
    table: TableArguments,
) -> Result<(), Failure> {
    let mut answer = query::fetch(connection, request).await?;
    if table.output.format == Format::Json {
        return output::json(&answer);
    }
    let used = if listing == Listing::Plugins { Some(used_plugins(&Client::admin(connection)?).await?) } else { None };
    let is_shown = |row: &Value| match &used {
        Some(used) => !row["error"].is_null() || used.contains(&file_name(&row["file"]).replace(".wasm", "")),
        None => is_set_up(row),
    };
    let Some(rows) = answer[listing.member()].as_array_mut() else { return print(listing, &answer, table) };
    let all = rows.len();
    rows.retain(is_shown);
    let hidden = all - rows.len();
    if !rows.is_empty() || hidden == 0 {
        print(listing, &answer, table)?;
    }
    if hidden > 0 {
        output::note(&format!("{hidden} more in the plugin folder are not set up; `--all` lists them"));
    }
    Ok(())
}

/// Whether somebody has set up this channel: one that was mounted automatically counts once it serves.
pub(super) fn is_set_up(channel: &Value) -> bool {
    channel["automatic"] != true || channel["state"] == "serving"
}

/// The plugins of channels that are set up, and of agents.
async fn used_plugins(client: &Client) -> Result<BTreeSet<String>, Failure> {
    let (channels, agents) = (client.get("/admin/channels").await?, client.get("/admin/agents").await?);
    let channels = channels["channels"].as_array().into_iter().flatten().filter(|row| is_set_up(row));
    let agents = agents["agents"].as_array().into_iter().flatten();
    Ok(channels.chain(agents).map(|row| shown(&row["plugin"])).collect())
}

/// Prints the rows of an answer.
pub(super) fn print(listing: Listing, answer: &Value, table: TableArguments) -> Result<(), Failure> {
    if table.output.format == Format::Json {
        return output::json(answer);
    }
    output::text(&text(listing, answer, View::of(table)))?;
    notes(listing, answer).iter().for_each(|line| output::note(line));
    Ok(())
}

/// The rows as a table; an empty text if there are none.
pub(super) fn text(listing: Listing, answer: &Value, view: View) -> String {
    let rows = answer[listing.member()].as_array().map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        return String::new();
    }
    let columns = listing.columns();
    // A column that is empty in every row is left out.
    let cells: Vec<Vec<String>> = rows.iter().map(|row| columns.iter().map(|(_, read)| read(row)).collect()).collect();
    let left_out = if view.is_narrow() { listing.wide() } else { listing.short() };
    let is_used =
        |column: &usize| !left_out.contains(&columns[*column].0) && cells.iter().any(|row| !row[*column].is_empty());
    let used: Vec<usize> = (0..columns.len()).filter(is_used).collect();
    let headings: Vec<&str> = used.iter().map(|column| columns[*column].0).collect();
    let cells: Vec<Vec<String>> = cells
        .into_iter()
        .map(|row| used.iter().map(|column| cell(columns[*column].0, &row[*column], view)).collect())
        .collect();
    fitted(&headings, &cells, view)
}

fn cell(heading: &str, text: &str, view: View) -> String {
    if TIMES.contains(&heading) { view.time(text) } else { text.to_owned() }
}

/// Remarks below the list.
fn notes(listing: Listing, answer: &Value) -> Vec<String> {
    let mut notes = Vec::new();
    if answer[listing.member()].as_array().is_none_or(Vec::is_empty) && answer["next"].is_null() {
        notes.push(listing.empty().to_owned());
    }
    if let Some(searched) = answer["searched"].as_object() {
        let (events, back_to) = (shown(&searched["events"]), shown(&searched["back_to"]));
        let back_to = if back_to.is_empty() { back_to } else { format!(", back to {back_to}") };
        notes.push(format!("searched {events} events{back_to}"));
    }
    for schema in answer["schemas"].as_array().into_iter().flatten().filter(|schema| !schema["problem"].is_null()) {
        let [file, problem] = ["file", "problem"].map(|name| shown(&schema[name]));
        notes
            .push(output::clean(&format!("schema {file} is not in force, the last good version is: {problem}"), false));
    }
    if !answer["next"].is_null() {
        notes.push(format!("more rows: add `--cursor {}`", shown(&answer["next"])));
    }
    for problem in answer["problems"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let mut line = format!("skill not loaded: {}", shown(&problem["path"]));
        if let Some(number) = problem["line"].as_u64() {
            let _ = write!(line, ":{number}");
        }
        let _ = write!(line, ": {}", shown(&problem["message"]));
        notes.push(output::clean(&line, false));
    }
    for agent in answer["agents"].as_array().into_iter().flatten() {
        notes.extend(forecast(agent));
    }
    notes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_is_a_table_without_empty_columns() {
        let answer = json!({"agents": [
            {"name": "stub", "plugin": "stub", "state": "serving", "queued": 0, "in_flight": 2, "detail": null},
        ]});

        assert_eq!(
            text(Listing::Agents, &answer, View::whole()),
            "NAME  PLUGIN  STATE    QUEUED  IN FLIGHT\nstub  stub    serving  0       2\n"
        );
        assert_eq!(notes(Listing::Agents, &answer), Vec::<String>::new());
    }

    #[test]
    fn a_list_fits_into_a_terminal() {
        let id = "018bcfe5-6800-7000-8000-000000000011";
        let row = json!({
            "id": id, "seq": 17, "received_at": "2026-01-31T11:59:18.000Z", "status": "delivered",
            "kind": "github.pull_request_review_comment.created", "subject": "acme/".repeat(30),
        });
        let answer = json!({"events": [row], "next": null});
        let now = "2026-01-31T12:00:00Z".parse().unwrap();

        let narrow = text(Listing::Events, &answer, View::narrow(80, now));
        assert!(narrow.starts_with("SEQ  RECEIVED  STATUS     KIND"), "{narrow}");
        assert!(narrow.contains("\n17   42s ago   delivered  github.pull_request_"), "{narrow}");
        assert!(narrow.lines().all(|line| line.chars().count() <= 80), "{narrow}");

        let whole = text(Listing::Events, &answer, View::whole());
        assert!(whole.contains(&format!("\n{id}  2026-01-31T11:59:18.000Z  delivered  ")), "{whole}");
    }

    #[test]
    fn an_agent_says_what_failed_and_until_when_its_budget_lasts() {
        let forecast = "budget is gone in 13m at this rate: 72 of 72 attempts failed in the last 2m, mostly connect";
        let failures = json!([{"class": "connect", "count": 72}, {"class": "5xx", "count": 1}]);
        let row = json!({
            "name": "triage", "plugin": "http", "state": "serving", "queued": 3, "in_flight": 0, "detail": null,
            "breaker": {"state": "open", "retry_at": "2026-01-31T12:00:05.000Z", "reason": "connect: cannot connect"},
            "lately": {"window": "5m", "attempts": 80, "failures": failures},
            "objective": {"budget_remaining": 0.917, "forecast": forecast},
        });
        let answer = json!({"agents": [row, {"name": "stub", "objective": null, "lately": {"failures": []}}]});
        let now = "2026-01-31T12:00:00Z".parse().unwrap();

        let narrow = text(Listing::Agents, &answer, View::narrow(80, now));
        assert!(narrow.lines().all(|line| line.chars().count() <= 80), "{narrow}");
        assert!(narrow.contains("open, next try in…  3       72 x connect +1  connect: cannot c…\n"), "{narrow}");
        let whole = text(Listing::Agents, &answer, View::whole());
        assert!(whole.contains("72 x connect, 1 x 5xx  92%     connect: cannot connect"), "{whole}");
        assert_eq!(notes(Listing::Agents, &answer), [format!("agent triage: {forecast}")]);
    }

    #[test]
    fn incidents_and_alerts_fit_into_a_terminal() {
        let id = "3fa85f64a1b2c3d4";
        let incident = json!({
            "id": id, "title": "KubePodCrashLoopingForAVeryLongTime", "state": "acknowledged", "state_by": "ann@host",
            "severity": {"raw": "page", "level": "critical"}, "environment": "production", "labels": {"cluster": "eu"},
            "opened_at": "2026-01-31T11:48:00.000Z", "rests_until": null, "runs": 1, "storm": null,
            "signals": {"total": 3, "firing": 2, "suppressed": 0},
        });
        let alert = json!({
            "id": "a".repeat(32), "alertname": "KubePodCrashLoopingForAVeryLongTime", "status": "firing", "duplicates": 7,
            "severity": {"raw": "page", "level": "critical"}, "environment": "production", "channel": "alertmanager",
            "last_seen": "2026-01-31T11:59:18.000Z", "incident": id, "suppressed": null,
            "labels": {"alertname": "KubePodCrashLoopingForAVeryLongTime", "severity": "page", "pod": "api-1"},
        });
        let now = "2026-01-31T12:00:00Z".parse().unwrap();
        let shown = |listing: Listing, view: View| {
            text(listing, &json!({"incidents": [incident.clone()], "alerts": [alert.clone()]}), view)
        };

        let narrow = View::narrow(80, now);
        assert_eq!(
            shown(Listing::Incidents, narrow),
            "ID                STATE         SEVERITY  FIRING  OPENED   TITLE\n\
             3fa85f64a1b2c3d4  acknowledged  critical  2 of 3  12m ago  KubePodCrashLoopingF…\n"
        );
        assert_eq!(
            shown(Listing::Alerts, narrow),
            "ALERTNAME      STATUS  SEVERITY  LAST SEEN  DUPLICATES  INCIDENT       LABELS\n\
             KubePodCrash…  firing  critical  42s ago    7           3fa85f64a1b2…  pod=api-1\n"
        );
        assert!(shown(Listing::Members, narrow).lines().all(|line| line.chars().count() <= 80));
        assert!(shown(Listing::Members, View::whole()).contains(&"a".repeat(32)));
    }

    #[test]
    fn silences_fit_into_a_terminal() {
        let silence = |id: &str, state: &str, ends: &str, suppressed: u64| {
            json!({
                "id": id, "state": state, "matchers": ["alertname=~\"Disk.*\"", "instance=\"db-1\""],
                "created_by": "ann@host", "comment": "disk swap\nticket 4711", "suppressed": suppressed,
                "starts_at": "2026-01-31T11:00:00.000Z", "ends_at": ends, "updated_at": "2026-01-31T11:00:00.000Z",
            })
        };
        let answer = json!({"silences": [
            silence("b61a8b0c-5d0e-4d4d-9d1b-0a4a6f2f7c11", "active", "2026-01-31T13:30:00.000Z", 12),
            silence("00aa8b0c-5d0e-4d4d-9d1b-0a4a6f2f7c11", "expired", "2026-01-31T11:30:00.000Z", 0),
        ]});

        assert_eq!(
            text(Listing::Silences, &answer, View::narrow(80, "2026-01-31T12:00:00Z".parse().unwrap())),
            "SILENCE   STATE    ENDS     SUPPRESSED  MATCHERS                       COMMENT\n\
             b61a8b0c  active   in 1h    12          alertname=~\"Disk.*\", instanc…  disk swap\n\
             00aa8b0c  expired  30m ago  0           alertname=~\"Disk.*\", instanc…  disk swap\n"
        );
        let whole = text(Listing::Silences, &answer, View::whole());
        assert!(
            whole.contains("\nb61a8b0c-5d0e-4d4d-9d1b-0a4a6f2f7c11  active   2026-01-31T11:00:00.000Z  "),
            "{whole}"
        );
    }

    #[test]
    fn an_empty_list_says_what_to_do() {
        let answer = json!({"routes": []});

        assert_eq!(text(Listing::Routes, &answer, View::whole()), "");
        assert_eq!(notes(Listing::Routes, &answer), [Listing::Routes.empty()]);
    }

    #[test]
    fn a_page_says_how_to_continue() {
        let answer = json!({"events": [{"id": "x"}], "next": "17"});

        assert_eq!(notes(Listing::Events, &answer), ["more rows: add `--cursor 17`"]);
    }

    #[test]
    fn a_broken_skill_is_reported_with_its_line() {
        let answer = json!({"skills": [{"name": "a"}], "problems": [{"path": "/s/b/SKILL.md", "line": 2, "message": "no `name`"}]});

        assert_eq!(notes(Listing::Skills, &answer), ["skill not loaded: /s/b/SKILL.md:2: no `name`"]);
    }
}
