//! Folders of sites that are not there.

use crate::web::{self, Target};

/// A folder may come later, but mostly its name is wrong.
pub(super) fn folder_warnings(web: &web::Settings) -> Vec<String> {
    let routes = web.sites.iter().enumerate().flat_map(|(at, site)| site.routes.iter().map(move |route| (at, route)));
    let missing = routes.filter_map(|(site, route)| match &route.target {
        Target::Files(files) if !files.root.is_dir() => Some((site, &route.prefix, &files.root)),
        Target::Files(_) | Target::Backend(_) => None,
    });
    missing
        .map(|(site, prefix, root)| {
            format!("sites[{site}]: the files of the route `{prefix}` are in `{}`, which is no folder", root.display())
        })
        .collect()
}
