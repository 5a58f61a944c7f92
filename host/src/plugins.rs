//! Finding, inspecting, loading and driving plugins.
