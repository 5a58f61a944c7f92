//! How a plugin becomes a library, or a part of the host.

/// Exports a plugin from a `cdylib` crate, in one line: `export_plugin!(channel: Echo);` or
/// `export_plugin!(provider: Parrot);`.
#[macro_export]
macro_rules! export_plugin {
    (channel: $plugin:ty $(,)?) => {
        $crate::__export!(
            $crate::__private::Kind::Channel,
            $crate::Channel,
            $plugin,
            instantiate_channel
        );
    };
    (provider: $plugin:ty $(,)?) => {
        $crate::__export!(
            $crate::__private::Kind::Provider,
            $crate::Provider,
            $plugin,
            instantiate_provider
        );
    };
}

/// The body of [`export_plugin!`].
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($kind:expr, $trait:path, $plugin:ty, $instantiate:ident) => {
        const _: () = {
            #[unsafe(export_name = "MINICLAW_PLUGIN_MANIFEST")]
            #[used]
            static MANIFEST: $crate::__private::RawManifest = $crate::__private::RawManifest::encode(
                &<$plugin as $trait>::MANIFEST,
                $kind,
                cfg!(panic = "abort"),
            );

            extern "C" fn instantiate(
                birth: $crate::__private::Birth,
                host: $crate::__private::HostBox,
            ) -> $crate::__private::Instantiated {
                $crate::__private::$instantiate::<$plugin>(birth, host, true)
            }

            fn root() -> $crate::__private::PluginModRef {
                $crate::__private::root_module(instantiate)
            }

            extern "C" fn erased_root() -> $crate::__private::RootModuleResult {
                $crate::__private::call_root_module_loader(root)
            }

            #[unsafe(export_name = "MINICLAW_PLUGIN_ROOT")]
            #[used]
            static ROOT: $crate::__private::LibHeader = $crate::__private::lib_header(erased_root);
        };
    };
}

/// A plugin that is part of the host: what gives its manifest, and what gives its root module.
#[macro_export]
macro_rules! builtin_plugin {
    (channel: $plugin:ty) => {
        $crate::__builtin!(
            $crate::__private::Kind::Channel,
            $crate::Channel,
            $plugin,
            instantiate_channel
        )
    };
    (provider: $plugin:ty) => {
        $crate::__builtin!(
            $crate::__private::Kind::Provider,
            $crate::Provider,
            $plugin,
            instantiate_provider
        )
    };
}

/// The body of [`builtin_plugin!`].
#[doc(hidden)]
#[macro_export]
macro_rules! __builtin {
    ($kind:expr, $trait:path, $plugin:ty, $instantiate:ident) => {{
        // A manifest that is none is a compile error. Its room for a schema would be 16 KiB of the binary, for each plugin.
        const _: $crate::__private::RawManifest =
            $crate::__private::RawManifest::encode(&<$plugin as $trait>::MANIFEST, $kind, false);
        fn manifest() -> $crate::__private::RawManifest {
            let panic_abort = cfg!(panic = "abort");
            $crate::__private::RawManifest::encode(&<$plugin as $trait>::MANIFEST, $kind, panic_abort)
        }
        extern "C" fn instantiate(
            birth: $crate::__private::Birth,
            host: $crate::__private::HostBox,
        ) -> $crate::__private::Instantiated {
            $crate::__private::$instantiate::<$plugin>(birth, host, false)
        }
        fn root() -> $crate::__private::PluginModRef {
            $crate::__private::root_module(instantiate)
        }
        (
            manifest as fn() -> $crate::__private::RawManifest,
            root as fn() -> $crate::__private::PluginModRef,
        )
    }};
}

/// What the macros need; no part of the contract.
#[doc(hidden)]
pub mod __private {
    use abi_stable::prefix_type::PrefixTypeTrait;
    use abi_stable::std_types::RResult;

    pub use crate::abi::{Birth, HostBox, PluginModRef};
    pub use crate::glue::{instantiate_channel, instantiate_provider};
    pub use crate::manifest::{Kind, RawManifest};
    pub use abi_stable::library::{
        __call_root_module_loader as call_root_module_loader, LibHeader, RootModuleResult,
    };

    pub type Instantiated = RResult<crate::abi::PluginBox, crate::abi::Payload>;

    pub fn root_module(instantiate: extern "C" fn(Birth, HostBox) -> Instantiated) -> PluginModRef {
        crate::abi::PluginMod { instantiate }.leak_into_prefix()
    }

    pub const fn lib_header(constructor: extern "C" fn() -> RootModuleResult) -> LibHeader {
        // SAFETY: the macro's constructor is `call_root_module_loader` over a function that returns
        // `PluginModRef`, which erases exactly that type.
        unsafe {
            LibHeader::from_constructor::<PluginModRef>(
                constructor,
                abi_stable::library::CheckTypeLayout::Yes,
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::manifest::{MANIFEST_SYMBOL, ROOT_SYMBOL};

    #[test]
    fn exported_symbols_have_the_names_that_the_loader_looks_for() {
        let macros = include_str!("export.rs");
        for symbol in [MANIFEST_SYMBOL, ROOT_SYMBOL] {
            assert!(
                macros.contains(&format!("export_name = \"{symbol}\"")),
                "{symbol}"
            );
        }
    }
}
