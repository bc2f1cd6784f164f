// The version of these headers. The build checks that meson.build says the same.
#pragma once

#define HILO_VERSION_MAJOR 0
#define HILO_VERSION_MINOR 1
#define HILO_VERSION_PATCH 0
#define HILO_VERSION "0.1.0"
