# find_package(a0rs) gives the target a0rs::a0rs, and a0rs::static, which needs no library at run time.
# Lies in PREFIX/share/cmake/a0rs, and finds the rest from there.

get_filename_component(_a0rs_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
find_path(A0RS_INCLUDE_DIR a0rs.h HINTS "${_a0rs_prefix}/include" NO_DEFAULT_PATH)
find_library(A0RS_SHARED liba0rs.so HINTS "${_a0rs_prefix}" PATH_SUFFIXES lib lib64 lib/${CMAKE_LIBRARY_ARCHITECTURE} NO_DEFAULT_PATH)
find_library(A0RS_STATIC liba0rs.a HINTS "${_a0rs_prefix}" PATH_SUFFIXES lib lib64 lib/${CMAKE_LIBRARY_ARCHITECTURE} NO_DEFAULT_PATH)
mark_as_advanced(A0RS_INCLUDE_DIR A0RS_SHARED A0RS_STATIC)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(a0rs REQUIRED_VARS A0RS_SHARED A0RS_INCLUDE_DIR)

if(a0rs_FOUND AND NOT TARGET a0rs::a0rs)
  add_library(a0rs::a0rs SHARED IMPORTED)
  set_target_properties(a0rs::a0rs PROPERTIES
    IMPORTED_LOCATION "${A0RS_SHARED}"
    INTERFACE_INCLUDE_DIRECTORIES "${A0RS_INCLUDE_DIR}")
  if(A0RS_STATIC)
    add_library(a0rs::static STATIC IMPORTED)
    set_target_properties(a0rs::static PROPERTIES
      IMPORTED_LOCATION "${A0RS_STATIC}"
      INTERFACE_LINK_LIBRARIES "gcc_s;util;rt;pthread;m;dl;c"
      INTERFACE_INCLUDE_DIRECTORIES "${A0RS_INCLUDE_DIR}")
  endif()
endif()
unset(_a0rs_prefix)
