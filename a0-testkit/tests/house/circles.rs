//! No two files of a crate import each other, directly or through others: whoever reads one need not have read the other.
//!
//! A file imports another one if it names something that is defined there. Where a module hands on what another one defines
//! (`pub use`), that other one counts, and handing on does not. Tests inside of files, and links in documentation, do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

/// A place in the tree of modules, from the crate's root on.
type Module = Vec<String>;

/// What one module has.
#[derive(Default)]
struct Contents {
    /// The file that holds it.
    file: PathBuf,
    children: BTreeSet<String>,
    /// Names that come from elsewhere, and the paths that they stand for.
    imported: BTreeMap<String, Module>,
    /// Paths from which all names come.
    globs: Vec<Module>,
    /// Names defined here.
    defined: BTreeSet<String>,
    /// Paths that are named here.
    named: BTreeSet<Module>,
}

#[derive(Default)]
struct Crate {
    modules: BTreeMap<Module, Contents>,
}

impl Crate {
    /// All modules of a crate, from the file of its root.
    fn read(root: &Path) -> Crate {
        let mut read = Crate::default();
        read.read_file(root, root.parent().unwrap(), Vec::new());
        read
    }

    /// `dir` is where files of this module's children are.
    fn read_file(&mut self, file: &Path, dir: &Path, module: Module) {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let syntax = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.add(file, dir, module, &syntax.items);
    }

    fn add(&mut self, file: &Path, dir: &Path, module: Module, items: &[syn::Item]) {
        let mut reader = Reader { module: module.clone(), contents: Contents::default() };
        reader.contents.file = file.to_owned();
        for item in items {
            if attributes(item).iter().any(is_for_tests) {
                continue;
            }
            let syn::Item::Mod(inner) = item else {
                reader.visit_item(item);
                continue;
            };
            let name = inner.ident.to_string();
            reader.contents.children.insert(name.clone());
            let child = [module.clone(), vec![name.clone()]].concat();
            match &inner.content {
                Some((_, items)) => self.add(file, &dir.join(&name), child, items),
                None => {
                    let flat = dir.join(format!("{name}.rs"));
                    let file = if flat.exists() { flat } else { dir.join(&name).join("mod.rs") };
                    self.read_file(&file, &dir.join(&name), child);
                }
            }
        }
        self.modules.insert(module, reader.contents);
    }

    /// The file that defines what an absolute path names; `None` if that is in another crate.
    fn file_of(&self, path: &[String], depth: usize) -> Option<&Path> {
        assert!(depth < 20, "{path:?} leads round and round");
        let mut module = Vec::new();
        for (at, name) in path.iter().enumerate() {
            let contents = &self.modules[&module];
            if contents.children.contains(name) {
                module.push(name.clone());
                continue;
            }
            let rest = &path[at + 1..];
            if contents.defined.contains(name) {
                return Some(&contents.file);
            }
            if let Some(source) = contents.imported.get(name) {
                return self.file_of(&[source, rest].concat(), depth + 1);
            }
            let through_globs = contents.globs.iter().filter(|glob| self.modules.contains_key(*glob));
            return through_globs
                .filter(|glob| {
                    let source = &self.modules[*glob];
                    source.defined.contains(name)
                        || source.imported.contains_key(name)
                        || source.children.contains(name)
                })
                .find_map(|glob| self.file_of(&[glob, &path[at..]].concat(), depth + 1));
        }
        // A module as such: what is used of it is named elsewhere.
        None
    }

    /// Which files each file imports.
    fn imports(&self) -> BTreeMap<&Path, BTreeSet<&Path>> {
        let mut imports = BTreeMap::<_, BTreeSet<_>>::new();
        for (module, contents) in &self.modules {
            let from = imports.entry(&*contents.file).or_default();
            for path in &contents.named {
                let to = match path.split_first() {
                    Some((first, rest)) if first == "crate" => self.file_of(rest, 0),
                    // A name that is in scope here, if any.
                    _ => self.file_of(&[&module[..], path].concat(), 0),
                };
                from.extend(to.filter(|to| *to != contents.file));
            }
        }
        imports
    }
}

/// Collects what one module names.
struct Reader {
    module: Module,
    contents: Contents,
}

impl Reader {
    /// From the crate's root on; `None` for what can only be in another crate.
    fn absolute(&self, path: &[String]) -> Option<Module> {
        let (first, rest) = path.split_first()?;
        let mut base = match &**first {
            "crate" => Vec::new(),
            "self" => self.module.clone(),
            "super" => self.module[..self.module.len() - 1].to_vec(),
            name if self.contents.children.contains(name) => [&self.module[..], &path[..1]].concat(),
            _ => return None,
        };
        let above = rest.iter().take_while(|name| *name == "super").count();
        base.truncate(base.len() - above);
        base.extend_from_slice(&rest[above..]);
        Some(base)
    }

    fn name(&mut self, path: &[String]) {
        if let Some(absolute) = self.absolute(path) {
            self.contents.named.insert([vec!["crate".to_owned()], absolute].concat());
        } else {
            self.contents.named.insert(path.to_vec());
        }
    }

    /// `own` says whether the file itself makes use of it.
    fn add_use(&mut self, tree: &syn::UseTree, before: &[String], own: bool) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.add_use(&path.tree, &with(&path.ident), own),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_use(tree, before, own)),
            syn::UseTree::Name(name) if name.ident == "self" => {}
            syn::UseTree::Name(name) => self.import(name.ident.to_string(), &with(&name.ident), own),
            syn::UseTree::Rename(rename) => self.import(rename.rename.to_string(), &with(&rename.ident), own),
            syn::UseTree::Glob(_) => self.contents.globs.extend(self.absolute(before)),
        }
    }

    fn import(&mut self, name: String, path: &[String], own: bool) {
        if let Some(absolute) = self.absolute(path) {
            self.contents.imported.insert(name, absolute);
            if own {
                self.name(path);
            }
        }
    }

    /// Macros hide paths from the parser.
    fn scan(&mut self, tokens: TokenStream) {
        let mut path = Vec::new();
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => path.push(ident.to_string()),
                TokenTree::Punct(punct) if punct.as_char() == ':' => {}
                other => {
                    self.name(&std::mem::take(&mut path));
                    if let TokenTree::Group(group) = other {
                        self.scan(group.stream());
                    }
                }
            }
        }
        self.name(&path);
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let defined = match item {
            syn::Item::Const(item) => Some(&item.ident),
            syn::Item::Enum(item) => Some(&item.ident),
            syn::Item::Fn(item) => Some(&item.sig.ident),
            syn::Item::Macro(item) => item.ident.as_ref(),
            syn::Item::Static(item) => Some(&item.ident),
            syn::Item::Struct(item) => Some(&item.ident),
            syn::Item::Trait(item) => Some(&item.ident),
            syn::Item::Type(item) => Some(&item.ident),
            _ => None,
        };
        self.contents.defined.extend(defined.map(ToString::to_string));
        visit::visit_item(self, item);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.add_use(&item.tree, &[], matches!(item.vis, syn::Visibility::Inherited));
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.name(&names);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.scan(call.tokens.clone());
        visit::visit_macro(self, call);
    }
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn is_for_tests(attribute: &syn::Attribute) -> bool {
    let syn::Meta::List(list) = &attribute.meta else { return false };
    list.path.is_ident("cfg") && ["doc", "doctest", "test"].contains(&&*list.tokens.to_string())
}

/// The files of each circle: sets of files that can all be reached from each other.
fn circles(imports: &BTreeMap<&Path, BTreeSet<&Path>>) -> BTreeSet<Vec<PathBuf>> {
    let all: BTreeMap<_, _> = imports.keys().map(|file| (*file, reached(imports, file))).collect();
    let circle = |file: &Path| {
        let together = all[file].iter().filter(|other| all.get(*other).is_some_and(|back| back.contains(file)));
        together.map(|file| file.to_path_buf()).collect::<Vec<_>>()
    };
    all.keys().map(|file| circle(file)).filter(|circle| !circle.is_empty()).collect()
}

/// What a file imports, and what that imports, and so on.
fn reached<'p>(imports: &BTreeMap<&'p Path, BTreeSet<&'p Path>>, from: &'p Path) -> BTreeSet<&'p Path> {
    let (mut reached, mut left) = (BTreeSet::new(), vec![from]);
    while let Some(file) = left.pop() {
        left.extend(imports.get(file).into_iter().flatten().filter(|to| reached.insert(**to)));
    }
    reached
}

fn of(root: &Path) -> BTreeSet<Vec<PathBuf>> {
    let read = Crate::read(root);
    let imports = read.imports();
    for circle in circles(&imports) {
        eprintln!("a circle:");
        for file in &circle {
            let to = imports[&**file].iter().filter(|to| circle.iter().any(|file| file == *to));
            eprintln!("  {} imports {:?}", file.display(), to.collect::<Vec<_>>());
        }
    }
    circles(&imports)
}

#[test]
fn no_files_import_each_other() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let libraries = ["a0-core", "a0-linux", "a0-std", "a0-c", "a0-testkit"].map(|name| (name, "src/lib.rs"));
    let programs = [("a0-cli", "src/main.rs"), ("a0-testkit", "src/bin/storm/main.rs"), ("benches", "src/main.rs")];
    let roots = libraries.into_iter().chain(programs);
    let found: Vec<_> = roots.flat_map(|(name, root)| of(&workspace.join(name).join(root))).collect();
    assert!(found.is_empty(), "{} circles", found.len());
}

/// Files that import each other are found: directly, in a longer way, through what a third one hands on, and in macros.
#[test]
fn circles_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let files = |files: &[(&str, &str)]| {
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        of(&dir.path().join("lib.rs")).into_iter().map(|circle| circle.len()).collect::<Vec<_>>()
    };
    let lib = ("lib.rs", "mod a; mod b; mod c; pub use c::C;");
    let c = ("c.rs", "pub struct C;");
    assert_eq!(
        files(&[lib, ("a.rs", "use crate::C; pub struct A(C);"), ("b.rs", "use crate::a::A;"), c]),
        Vec::<usize>::new()
    );
    assert_eq!(files(&[("a.rs", "use crate::b::B; pub struct A;"), ("b.rs", "pub struct B(super::a::A);")]), [2]);
    let longer = [("b.rs", "use crate::C; pub struct B;"), ("c.rs", "pub fn f() { vec![crate::a::A] } pub struct C;")];
    assert_eq!(files(&longer), [3]);
    // Who hands on makes no use of it. Tests may use everything.
    let handed_on = [("a.rs", "pub use crate::b::B; pub struct A;"), ("b.rs", "use crate::a::A; pub struct B;")];
    assert_eq!(files(&[handed_on[0], handed_on[1], c]), Vec::<usize>::new());
    let tested = ("a.rs", "pub struct A; #[cfg(test)] mod tests { use crate::b::B; }");
    assert_eq!(files(&[tested]), Vec::<usize>::new());
}
