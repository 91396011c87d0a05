// SPDX-License-Identifier: GPL-2.0-only
//! What stands for a kernel here, by its sources.

use crate::Failure;
use std::{collections::BTreeMap, fs, path::Path};
use syn::{Item, ItemStruct, Signature, Type, Visibility};

/// What the mirror and the shim define.
#[derive(Default)]
pub(super) struct Here {
    pub(super) functions: BTreeMap<String, Signature>,
    pub(super) structures: BTreeMap<String, ItemStruct>,
    pub(super) aliases: BTreeMap<String, Type>,
}

impl Here {
    pub(super) fn of(root: &Path) -> Result<Self, Failure> {
        let mut here = Self::default();
        for path in [
            "dma-fence/src/bindings.rs",
            "dma-fence/src/bindings",
            "rust-kernel-shim/c/src",
        ] {
            here.read(&root.join(path))?;
        }
        Ok(here)
    }

    fn read(&mut self, path: &Path) -> Result<(), Failure> {
        let told = |error: std::io::Error| format!("{}: {error}", path.display());
        if path.is_dir() {
            for entry in fs::read_dir(path).map_err(told)? {
                self.read(&entry.map_err(told)?.path())?;
            }
        } else if path.extension().is_some_and(|end| end == "rs") {
            let file = syn::parse_file(&fs::read_to_string(path).map_err(told)?);
            self.items(
                file.map_err(|error| format!("{}: {error}", path.display()))?
                    .items,
            );
        }
        Ok(())
    }

    fn items(&mut self, items: Vec<Item>) {
        let public = |seen: &Visibility| matches!(seen, Visibility::Public(_));
        for item in items {
            match item {
                Item::Fn(item) if !public(&item.vis) => {}
                Item::Fn(item) => drop(self.functions.insert(item.sig.ident.to_string(), item.sig)),
                Item::Struct(item) => drop(self.structures.insert(item.ident.to_string(), item)),
                Item::Type(item) => drop(self.aliases.insert(item.ident.to_string(), *item.ty)),
                Item::Mod(item) => {
                    self.items(item.content.map(|(_, items)| items).unwrap_or_default())
                }
                _ => {}
            }
        }
    }
}
