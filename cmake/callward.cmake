# Compiler settings that hold for everything, and `callward_library`, which makes a folder of src/ into
# one static library plus one unit-test program from the files that stand in it.

find_program(CALLWARD_CCACHE ccache)
if(CALLWARD_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CALLWARD_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${CALLWARD_CCACHE})
endif()
find_program(CALLWARD_MOLD mold)
if(CALLWARD_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

add_compile_options(-Wall -Wextra -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor
                    -Woverloaded-virtual -Wimplicit-fallthrough -Wswitch -Werror -fno-strict-aliasing
                    -fstack-protector-strong -D_FORTIFY_SOURCE=2)
if(CMAKE_BUILD_TYPE STREQUAL "Debug")
  add_compile_options(-O1 -U_FORTIFY_SOURCE)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # clang sees inside libstdc++ 12's stable_sort a function that the standard has deprecated.
  add_compile_options(-Wthread-safety -Wno-gnu-statement-expression -Wno-c99-designator -Wno-deprecated-declarations)
else()
  add_compile_options(-Wshadow=local)
  # g++ 12 reports false positives of these three inside the standard library at -O2.
  add_compile_options(-Wno-restrict -Wno-stringop-overflow -Wno-array-bounds -Wno-maybe-uninitialized
                      -Wno-missing-field-initializers -Wno-dangling-else)
endif()
if(CALLWARD_SANITIZE)
  add_compile_options(-fsanitize=${CALLWARD_SANITIZE} -fno-omit-frame-pointer -g1 -U_FORTIFY_SOURCE)
  add_link_options(-fsanitize=${CALLWARD_SANITIZE})
  if(CALLWARD_SANITIZE MATCHES "thread")
    add_compile_options(-Wno-tsan)  # Asio has fences, which the thread sanitizer does not follow
  endif()
  if(CALLWARD_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
endif()

# Every unit-test program: what `./test` builds of a sanitizer's preset, beside the fuzzers.
add_custom_target(unit_tests)

# As for g++: what an initializer leaves out is as it should be.
set(CALLWARD_QUIET "")
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  set(CALLWARD_QUIET -Wno-missing-field-initializers -Wno-missing-designated-field-initializers)
endif()

# Optimising what a sanitizer has put into a test's own code takes longer than the test then runs.
set(CALLWARD_TEST_CODE "")
if(CALLWARD_SANITIZE)
  set(CALLWARD_TEST_CODE -O0)
endif()

# callward_library(NAME DEPS folder... LIBS system-library...)
# Every *.cpp of the folder except *_test.cpp; *_test.cpp become the program NAME_test.
function(callward_library name)
  cmake_parse_arguments(arg "" "" "DEPS;LIBS;TEST_LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$")
  if(name STREQUAL "app")
    list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
  endif()
  if(NOT sources)
    return()
  endif()
  add_library(callward_${name} STATIC ${sources})
  target_include_directories(callward_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  foreach(dep ${arg_DEPS})
    if(TARGET callward_${dep})
      target_link_libraries(callward_${name} PUBLIC callward_${dep})
    endif()
  endforeach()
  target_link_libraries(callward_${name} PUBLIC ${arg_LIBS})
  if(tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE callward_${name} ${arg_TEST_LIBS} GTest::gtest GTest::gtest_main)
    target_compile_options(${name}_test PRIVATE ${CALLWARD_QUIET} ${CALLWARD_TEST_CODE})
    target_compile_definitions(${name}_test PRIVATE CALLWARD_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    add_test(NAME unit.${name} COMMAND ${name}_test --gtest_brief=1)
    # The thread sanitizer makes some of them twenty times slower.
    set(limit 600)
    if(CALLWARD_SANITIZE MATCHES "thread")
      set(limit 3600)
    endif()
    set_tests_properties(unit.${name} PROPERTIES TIMEOUT ${limit} LABELS unit)
    add_dependencies(unit_tests ${name}_test)
  endif()
endfunction()
