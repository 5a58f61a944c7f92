//! Whether the types on both sides of the border have the same layout.

use abi_stable::StableAbi;
use abi_stable::abi_stability::abi_checking::{AbiInstabilityErrors, check_layout_compatibility};
use abi_stable::type_layout::{TLFieldOrFunction, TypeLayout};
use miniclaw_plugin_api::abi::PluginModRef;
use miniclaw_plugin_api::manifest::API_VERSION;

use super::super::inspect::{Reason, api_text};
use crate::telemetry::printable;

/// Places that a line names at most.
const MAX_PLACES: usize = 5;

/// Compares a library's root module with this host's.
pub(super) fn check(library: Option<&'static TypeLayout>, library_api: [u32; 3]) -> Result<(), Reason> {
    let library = library.ok_or_else(|| Reason::Root("it does not describe its layout".to_owned()))?;
    compare(<PluginModRef as StableAbi>::LAYOUT, library, library_api)
}

/// The older side is the interface: the newer one may have more behind the end of what the older one knows.
fn compare(
    host: &'static TypeLayout,
    library: &'static TypeLayout,
    library_api: [u32; 3],
) -> Result<(), Reason> {
    let (interface, implementation) = if library_api < API_VERSION {
        (library, host)
    } else {
        (host, library)
    };
    check_layout_compatibility(interface, implementation).map_err(|errors| Reason::Layout {
        fields: places(&errors),
        host: api_text(API_VERSION),
    })
}

/// Where the layouts differ, without the pages of detail.
fn places(errors: &AbiInstabilityErrors) -> String {
    let mut places: Vec<String> = Vec::new();
    for error in &errors.errors {
        let mut path: Vec<&str> = error
            .stack_trace
            .iter()
            .map(|pair| name(&pair.expected))
            .collect();
        // What remains of wrappers and of a function's parameters and result tells an author nothing.
        path.retain(|name| name.starts_with(char::is_alphabetic));
        path.dedup();
        let place = path.join(".");
        if !place.is_empty() && !places.contains(&place) {
            places.push(place);
        }
    }
    // What differs inside makes all around it differ.
    let all = places.clone();
    places.retain(|place| !all.iter().any(|other| other.starts_with(&format!("{place}."))));
    if places.is_empty() {
        places.push(errors.interface.name().to_owned());
    }
    let more = places.len().saturating_sub(MAX_PLACES);
    places.truncate(MAX_PLACES);
    let mut text = printable(&places.join(", "), 400);
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

fn name(step: &TLFieldOrFunction) -> &'static str {
    match step {
        TLFieldOrFunction::Field(field) => field.name(),
        TLFieldOrFunction::Function(function) => function.name.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! module {
        ($module:ident { $($after:tt)* }) => {
            #[expect(dead_code, reason = "only its layout is compared")]
            mod $module {
                use abi_stable::StableAbi;

                #[repr(C)]
                #[derive(StableAbi)]
                #[sabi(kind(Prefix(prefix_ref = RootRef)))]
                #[sabi(missing_field(option))]
                pub(super) struct Root {
                    #[sabi(last_prefix_field)]
                    pub(super) first: extern "C" fn(u32) -> u32,
                    $($after)*
                }
            }
        };
    }
    module!(old {});
    module!(new {
        pub(super) second: extern "C" fn(u64),
    });
    module!(other {
        pub(super) second: extern "C" fn(u8) -> u64,
    });

    const OLDER: [u32; 3] = [API_VERSION[0], API_VERSION[1] - 1, 0];
    const NEWER: [u32; 3] = [API_VERSION[0], API_VERSION[1], API_VERSION[2] + 1];

    #[test]
    fn an_addition_on_the_newer_side_is_fine_whichever_side_that_is() {
        let (old, new) = (old::RootRef::LAYOUT, new::RootRef::LAYOUT);
        assert!(compare(new, old, OLDER).is_ok());
        assert!(compare(old, new, NEWER).is_ok());
        assert!(compare(new, old, NEWER).is_err());
    }

    #[test]
    fn a_difference_is_one_line_with_the_place() {
        let error = compare(new::RootRef::LAYOUT, other::RootRef::LAYOUT, API_VERSION).unwrap_err();
        let line = error.to_string();
        assert!(
            line.contains("layout differs from this host's in second, although"),
            "{line}"
        );
        assert!(!line.contains('\n') && line.len() < 300, "{line}");
    }
}
