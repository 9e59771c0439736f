//! One scan of the skill folder.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::front_matter::{self, FrontMatter};
use super::{Catalog, FILE_NAME, Settings, Skill, SkillProblem};

/// Reads every skill below [`Settings::dir`]. Blocks on the disk.
///
/// Files beside the folders, and folders that begin with a dot, are ignored.
pub fn scan(settings: &Settings) -> Catalog {
    let mut catalog = Catalog::default();
    let mut problem = |message: String| {
        catalog.problems.push(SkillProblem { path: settings.dir.clone(), line: None, message });
    };
    let (root, mut folders) = match list(&settings.dir) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return catalog,
        Err(error) => {
            problem(format!("cannot read the folder: {error}"));
            return catalog;
        }
    };
    if folders.len() > settings.max_skills {
        let (limit, left_out) = (settings.max_skills, &folders[settings.max_skills]);
        problem(format!("more than {limit} skills: `{}` and later ones are not loaded", left_out.display()));
        folders.truncate(limit);
    }
    for folder in folders {
        match read(&root, &folder, settings.max_file_bytes) {
            Ok(skill) => catalog.skills.push(Arc::new(skill)),
            Err(problems) => catalog.problems.extend(problems),
        }
    }
    catalog
}

/// The real path of the folder, and the sorted names of the candidates in it.
fn list(dir: &Path) -> io::Result<(std::path::PathBuf, Vec<OsString>)> {
    let root = dir.canonicalize()?;
    let mut folders = Vec::new();
    for entry in fs::read_dir(&root)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if !hidden && (kind.is_dir() || kind.is_symlink()) {
            folders.push(entry.file_name());
        }
    }
    folders.sort_unstable();
    Ok((root, folders))
}

fn read(root: &Path, folder: &OsString, max_bytes: usize) -> Result<Skill, Vec<SkillProblem>> {
    let path = root.join(folder).join(FILE_NAME);
    let problem = |line, message| SkillProblem { path: path.clone(), line, message };
    let whole = |message: String| vec![problem(None, message)];

    let (Some(name), Some(shown_path)) = (folder.to_str(), path.to_str()) else {
        return Err(whole("expected a path that is UTF-8".to_owned()));
    };
    let text = contained(root, &path, max_bytes).map_err(whole)?;
    let fields = front_matter::parse(&text, name).map_err(|violations| {
        violations.into_iter().map(|violation| problem(Some(violation.line), violation.message)).collect::<Vec<_>>()
    })?;
    let FrontMatter { name, description, license, compatibility, metadata, allowed_tools } = fields;
    let (path, digest) = (shown_path.to_owned(), hex::encode(Sha256::digest(&text)));
    Ok(Skill { name, description, path, license, compatibility, metadata, allowed_tools, digest })
}

/// Reads a regular file that lies below `root` after all symbolic links are resolved.
fn contained(root: &Path, path: &Path, max_bytes: usize) -> Result<Vec<u8>, String> {
    let real = path.canonicalize().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => format!("expected a file `{FILE_NAME}`, found none"),
        _ => format!("cannot read the file: {error}"),
    })?;
    if !real.starts_with(root) {
        return Err("a symbolic link leads out of the skill folder".to_owned());
    }
    let cannot = |error: io::Error| format!("cannot read the file: {error}");
    // Checked before it is opened: opening a named pipe would wait for a writer.
    if !fs::metadata(&real).map_err(cannot)?.is_file() {
        return Err("expected a regular file".to_owned());
    }
    let mut text = Vec::new();
    let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX).saturating_add(1);
    File::open(&real).map_err(cannot)?.take(limit).read_to_end(&mut text).map_err(cannot)?;
    if text.len() > max_bytes {
        return Err(format!("the file is larger than {max_bytes} bytes"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            let folder = Self(tempfile::tempdir().unwrap());
            fs::create_dir(folder.0.path().join("skills")).unwrap();
            folder
        }

        fn root(&self) -> std::path::PathBuf {
            self.0.path().canonicalize().unwrap().join("skills")
        }

        fn write(&self, path: &str, text: impl AsRef<[u8]>) {
            let path = self.root().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn skill(&self, name: &str) {
            self.write(&format!("{name}/SKILL.md"), valid(name));
        }

        fn settings(&self) -> Settings {
            Settings { dir: self.root(), ..Settings::default() }
        }

        fn scan(&self) -> Catalog {
            scan(&self.settings())
        }
    }

    fn valid(name: &str) -> String {
        format!("---\nname: {name}\ndescription: d\n---\n# {name}\n")
    }

    fn names(catalog: &Catalog) -> Vec<&str> {
        catalog.skills.iter().map(|skill| skill.name.as_str()).collect()
    }

    fn problems(catalog: &Catalog) -> Vec<String> {
        catalog.problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_missing_and_an_empty_folder_hold_no_skills() {
        let folder = Folder::new();

        assert_eq!(folder.scan(), Catalog::default());
        fs::remove_dir(folder.root()).unwrap();
        assert_eq!(folder.scan(), Catalog::default());
    }

    #[test]
    fn a_file_in_the_place_of_the_folder_is_a_problem() {
        let folder = Folder::new();
        let settings = Settings { dir: folder.root().join("file"), ..Settings::default() };
        folder.write("file", "");

        let catalog = scan(&settings);

        assert_eq!(catalog.problems.len(), 1);
        assert!(problems(&catalog)[0].contains("cannot read the folder"), "{catalog:?}");
    }

    #[test]
    fn skills_are_served_in_order_with_absolute_path_and_digest() {
        let folder = Folder::new();
        for name in ["triage", "deploy", "review-code"] {
            folder.skill(name);
        }

        let catalog = folder.scan();

        assert_eq!(names(&catalog), ["deploy", "review-code", "triage"]);
        assert_eq!(problems(&catalog), [""; 0]);
        let deploy = &catalog.skills[0];
        assert_eq!(deploy.path, folder.root().join("deploy/SKILL.md").to_str().unwrap());
        assert_eq!(deploy.digest, hex::encode(Sha256::digest(valid("deploy"))));
    }

    #[test]
    fn a_bad_skill_is_named_with_its_line_and_its_neighbours_are_served() {
        let folder = Folder::new();
        folder.skill("good");
        folder.write("bad/SKILL.md", "---\nname: other\ndescription: ''\n---\n");
        folder.write("broken/SKILL.md", "---\nname: broken\n");
        folder.write("empty/notes.md", "");

        let catalog = folder.scan();

        let root = folder.root();
        let at = |rest: &str| format!("{}/{rest}", root.display());
        assert_eq!(names(&catalog), ["good"]);
        assert_eq!(
            problems(&catalog),
            [
                at("bad/SKILL.md:2: `name`: expected the folder's name `bad`, found `other`"),
                at("bad/SKILL.md:3: `description`: expected 1 to 1024 characters, found 0"),
                at(
                    "broken/SKILL.md:1: expected a second line `---` that closes the front matter, found the end of the file"
                ),
                at("empty/SKILL.md: expected a file `SKILL.md`, found none"),
            ]
        );
    }

    #[test]
    fn only_one_level_of_visible_folders_is_scanned() {
        let folder = Folder::new();
        folder.skill("top");
        folder.skill(".hidden");
        folder.write("SKILL.md", valid("skills"));
        folder.write("README.md", "");
        folder.write("top/nested/SKILL.md", valid("nested"));

        let catalog = folder.scan();

        assert_eq!(names(&catalog), ["top"]);
        assert_eq!(problems(&catalog), [""; 0]);
    }

    #[test]
    fn a_file_above_the_limit_is_refused_and_one_at_the_limit_is_not() {
        let folder = Folder::new();
        folder.skill("a");
        let length = valid("a").len();
        let check = |max_file_bytes: usize, expected: &[&str]| {
            let catalog = scan(&Settings { max_file_bytes, ..folder.settings() });
            assert_eq!(names(&catalog), expected);
            assert_eq!(catalog.problems.is_empty(), !expected.is_empty(), "{catalog:?}");
        };

        check(length, &["a"]);
        check(length - 1, &[]);
        check(0, &[]);
        check(usize::MAX, &["a"]);
    }

    #[test]
    fn folders_above_the_limit_are_not_loaded_and_reported_once() {
        let folder = Folder::new();
        for name in ["a", "b", "c", "d"] {
            folder.skill(name);
        }

        let catalog = scan(&Settings { max_skills: 2, ..folder.settings() });

        assert_eq!(names(&catalog), ["a", "b"]);
        let expected = format!("{}: more than 2 skills: `c` and later ones are not loaded", folder.root().display());
        assert_eq!(problems(&catalog), [expected]);
    }

    #[cfg(unix)]
    #[test]
    fn no_symbolic_link_leads_out_of_the_folder() {
        use std::os::unix::fs::symlink;

        let folder = Folder::new();
        let (root, outside) = (folder.root(), folder.root().with_file_name("outside"));
        for name in ["link", "file"] {
            fs::create_dir_all(outside.join(name)).unwrap();
            fs::write(outside.join(name).join("SKILL.md"), valid(name)).unwrap();
        }
        // A sibling whose path has the same prefix.
        fs::create_dir_all(root.with_file_name("skills-other/near")).unwrap();
        fs::write(root.with_file_name("skills-other/near/SKILL.md"), valid("near")).unwrap();
        folder.write("store/SKILL.md", valid("store"));
        folder.write("inner/real.md", valid("inner"));
        fs::create_dir(root.join("file")).unwrap();
        symlink(outside.join("link"), root.join("link")).unwrap();
        symlink(outside.join("file/SKILL.md"), root.join("file/SKILL.md")).unwrap();
        symlink("../skills-other/near", root.join("near")).unwrap();
        symlink("real.md", root.join("inner/SKILL.md")).unwrap();
        symlink("nowhere", root.join("dangling")).unwrap();
        symlink("loop", root.join("loop")).unwrap();

        let catalog = folder.scan();

        assert_eq!(names(&catalog), ["inner", "store"]);
        let messages: Vec<String> = catalog.problems.iter().map(|problem| problem.message.clone()).collect();
        assert_eq!(messages.len(), 5, "{messages:?}");
        let escapes = messages.iter().filter(|message| message.contains("leads out of the skill folder")).count();
        assert_eq!(escapes, 3, "{messages:?}");
    }

    #[cfg(unix)]
    #[test]
    fn the_folder_itself_may_be_a_symbolic_link() {
        let folder = Folder::new();
        folder.skill("a");
        let link = folder.root().with_file_name("link");
        std::os::unix::fs::symlink(folder.root(), &link).unwrap();

        let catalog = scan(&Settings { dir: link, ..Settings::default() });

        assert_eq!(names(&catalog), ["a"]);
    }

    #[test]
    fn a_folder_in_the_place_of_the_file_is_refused() {
        let folder = Folder::new();
        fs::create_dir_all(folder.root().join("a/SKILL.md")).unwrap();

        assert!(problems(&folder.scan())[0].ends_with("expected a regular file"));
    }
}
