//! A client for model servers: deadlines, caps, typed errors.
