//! Rules of the store, without HTTP.
