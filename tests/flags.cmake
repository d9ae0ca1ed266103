# The `flags` target: every warning, the hardening of a release, and the sanitizers of a preset.
# -Werror comes from the presets alone (CMAKE_COMPILE_WARNING_AS_ERROR): a packager's newer compiler must not break the build.
add_library(flags INTERFACE)
target_compile_definitions(flags INTERFACE _GNU_SOURCE)
target_include_directories(flags INTERFACE ${CMAKE_SOURCE_DIR}/include)
target_compile_options(flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes -Wmissing-prototypes
  -Wold-style-definition -Wwrite-strings -Wcast-qual -Wpointer-arith -Wundef -Wvla -Wformat=2 -Wswitch-enum
  -Wimplicit-fallthrough -Wnull-dereference -Wdouble-promotion -Wredundant-decls -fno-common
  -Wno-missing-field-initializers
  -fstack-protector-strong -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  target_compile_options(flags INTERFACE -Wlogical-op -Wduplicated-cond -Wduplicated-branches -Wjump-misses-init
    -Wformat-truncation=2 -Wformat-overflow=2)
endif()

# Assertions stay in a release: a worker that has caught itself in the wrong must stop, not go on (style: bugs assert).
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE}")
string(REPLACE "-O3" "-O2" CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE}")
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELWITHDEBINFO "${CMAKE_C_FLAGS_RELWITHDEBINFO}")

if(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_options(flags INTERFACE -g1 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-clash-protection -fPIE)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64")
    target_compile_options(flags INTERFACE -fcf-protection)
  endif()
  target_link_options(flags INTERFACE -pie -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed)
  if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    target_compile_options(flags INTERFACE -Wstack-usage=16384)
  endif()
endif()

if(CPOA_SANITIZE)
  target_compile_options(flags INTERFACE -fsanitize=${CPOA_SANITIZE} -fno-omit-frame-pointer -O1)
  target_link_options(flags INTERFACE -fsanitize=${CPOA_SANITIZE})
  if(CPOA_SANITIZE MATCHES "undefined")
    target_compile_options(flags INTERFACE -fno-sanitize-recover=all)
  endif()
endif()
if(CPOA_ANALYZE)
  target_compile_options(flags INTERFACE -fanalyzer)
endif()
