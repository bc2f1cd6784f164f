// The owner of the precompiled headers has no code of its own (tests/meson.build).
