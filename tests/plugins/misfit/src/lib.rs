//! A library whose manifest is right and whose root module is another: what a compiler with another layout, or an author who
//! wrote the border by hand, may bring.

use abi_stable::StableAbi;
use abi_stable::library::{
    __call_root_module_loader, CheckTypeLayout, LibHeader, RootModule, RootModuleResult,
};
use abi_stable::prefix_type::PrefixTypeTrait;
use abi_stable::sabi_types::VersionStrings;
use abi_stable::std_types::RString;
use miniclaw_plugin_api::Manifest;
use miniclaw_plugin_api::manifest::{Kind, RawManifest};

/// The root module: the name is right, the function takes something else.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = PluginModRef)))]
#[sabi(missing_field(option))]
pub struct PluginMod {
    /// What the host would call with a birth and itself.
    #[sabi(last_prefix_field)]
    pub instantiate: extern "C" fn(settings: RString) -> u64,
}

impl RootModule for PluginModRef {
    abi_stable::declare_root_module_statics! {PluginModRef}
    const BASE_NAME: &'static str = "miniclaw_plugin";
    const NAME: &'static str = "miniclaw plugin";
    const VERSION_STRINGS: VersionStrings = abi_stable::package_version_strings!();
}

#[unsafe(export_name = "MINICLAW_PLUGIN_MANIFEST")]
#[used]
static MANIFEST: RawManifest = RawManifest::encode(
    &Manifest::new("misfit", env!("CARGO_PKG_VERSION")),
    Kind::Channel,
    false,
);

extern "C" fn instantiate(_: RString) -> u64 {
    0
}

fn root() -> PluginModRef {
    PluginMod { instantiate }.leak_into_prefix()
}

extern "C" fn erased_root() -> RootModuleResult {
    __call_root_module_loader(root)
}

#[unsafe(export_name = "MINICLAW_PLUGIN_ROOT")]
#[used]
static ROOT: LibHeader =
    // SAFETY: the constructor erases exactly this type.
    unsafe { LibHeader::from_constructor::<PluginModRef>(erased_root, CheckTypeLayout::Yes) };
