//! A file as it was when it was opened.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::HeaderValue;
use http::header::{ACCEPT_ENCODING, HeaderMap};

use super::root::Root;
use crate::coding::{Coding, preferred};
use crate::web::conditions::Validators;

/// Smaller files are read as a whole.
pub(crate) const SMALL: u64 = 128 << 10;

/// A file, or its precompressed form.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) content: Content,
    pub(crate) length: u64,
    pub(crate) etag: HeaderValue,
    pub(crate) modified: SystemTime,
    pub(crate) last_modified: HeaderValue,
    pub(crate) coding: Option<Coding>,
    /// Whether another caller could get another form.
    pub(crate) has_forms: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Content {
    Whole(Bytes),
    File(Arc<File>),
}

impl Opened {
    pub(crate) fn validators(&self) -> Validators<'_> {
        Validators { etag: Some(self.etag.as_bytes()), modified: Some(self.modified) }
    }
}

/// Which forms a caller accepts instead of the plain one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Accepted {
    br: bool,
    gzip: bool,
    gzip_before_br: bool,
}

impl Accepted {
    pub(crate) fn by(headers: &HeaderMap) -> Self {
        if !headers.contains_key(ACCEPT_ENCODING) {
            return Self::default();
        }
        let br = preferred(headers, &[Coding::Br]).is_some();
        let gzip = preferred(headers, &[Coding::Gzip]).is_some();
        let gzip_before_br = br && gzip && preferred(headers, &[Coding::Br, Coding::Gzip]) == Some(Coding::Gzip);
        Self { br, gzip, gzip_before_br }
    }

    fn of(self, offered: &[Coding]) -> Option<Coding> {
        let br = Some(Coding::Br).filter(|coding| self.br && offered.contains(coding));
        let gzip = Some(Coding::Gzip).filter(|coding| self.gzip && offered.contains(coding));
        if self.gzip_before_br { gzip.or(br) } else { br.or(gzip) }
    }
}

/// The forms beside a file, and the ends of their names.
const FORMS: [(Coding, &str); 2] = [(Coding::Br, ".br"), (Coding::Gzip, ".gz")];

/// Opens the file `name`, or the form beside it that is `accepted`. A form that is older than the file is none of it any more.
/// `known` is returned if nothing has changed since. Blocks.
pub(crate) fn open(
    root: &Root,
    name: &str,
    accepted: Accepted,
    known: Option<Arc<Opened>>,
) -> io::Result<Option<Arc<Opened>>> {
    let Some(plain) = root.file(name)? else { return Ok(None) };
    let modified = plain.metadata()?.modified()?;
    let mut forms = Vec::new();
    for (coding, end) in FORMS {
        if let Some(form) = root.file(&format!("{name}{end}"))?
            && form.metadata()?.modified()? >= modified
        {
            forms.push((coding, form));
        }
    }
    let has_forms = !forms.is_empty();
    let offered: Vec<_> = forms.iter().map(|(coding, _)| *coding).collect();
    let chosen = accepted.of(&offered);
    let form = forms.into_iter().find(|(coding, _)| Some(*coding) == chosen);
    let (coding, file) = form.map_or((None, plain), |(coding, form)| (Some(coding), form));

    let metadata = file.metadata()?;
    let etag = etag(&metadata, coding);
    if let Some(known) = known.filter(|known| known.etag == etag && known.has_forms == has_forms) {
        return Ok(Some(known));
    }
    let length = metadata.len();
    let content = if length <= SMALL { Content::Whole(whole(&file, length)?) } else { Content::File(Arc::new(file)) };
    let modified = metadata.modified()?;
    let last_modified = HeaderValue::try_from(httpdate::fmt_http_date(modified.max(SystemTime::UNIX_EPOCH)))
        .expect("a date is a valid value");
    Ok(Some(Arc::new(Opened { content, length, etag, modified, last_modified, coding, has_forms })))
}

/// Changes with every change of the file: a second is too long for that.
fn etag(metadata: &std::fs::Metadata, coding: Option<Coding>) -> HeaderValue {
    let mark = coding.map_or("", Coding::name);
    let (seconds, nanoseconds) = (metadata.mtime(), metadata.mtime_nsec());
    HeaderValue::try_from(format!("\"{seconds:x}.{nanoseconds:x}-{:x}{mark}\"", metadata.len()))
        .expect("digits and letters are a valid value")
}

fn whole(file: &File, length: u64) -> io::Result<Bytes> {
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes.into())
}
