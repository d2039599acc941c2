# Writes the C++ file behind cli/docs.hpp.
#   cmake -D OUT=docs.cpp -D DESCRIPTORS=net.desc -D SOURCES=src -P docs.cmake
# DESCRIPTORS is what protoc --descriptor_set_out made; the head comments are those of the files that
# register layer types and data sources below SOURCES, the settings are those that these files, and
# what they share with others, mention.
file(READ ${DESCRIPTORS} bytes HEX)
string(LENGTH "${bytes}" length)
math(EXPR length "${length} / 2")
string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")

set(docs)
set(count 0)
file(GLOB files RELATIVE ${SOURCES} ${SOURCES}/layers/*.cpp ${SOURCES}/data/sources/*.cpp)
list(SORT files)
foreach(file ${files})
  file(READ ${SOURCES}/${file} text)
  string(REGEX MATCH "^(//[^\n]*\n)+" comment "${text}")
  if(comment STREQUAL "")
    continue()  # it registers nothing
  endif()
  # "errors: recurrent.hpp": what is said there belongs to it.
  if(comment MATCHES "([a-z0-9_]+)\\.hpp")
    file(READ ${SOURCES}/layers/${CMAKE_MATCH_1}.hpp common)
    string(REGEX MATCH "^(//[^\n]*\n)+" common "${common}")
    string(APPEND comment "//\n${common}")
  endif()
  # What several types share is in files of its own; but what they all use names everybody's.
  string(REGEX MATCHALL "\"layers/[a-z0-9_]+\\.hpp\"" shared "${text}")
  foreach(name ${shared})
    string(REGEX REPLACE "\"layers/(.*)\\.hpp\"" "\\1" name ${name})
    foreach(ending cpp hpp)
      if(NOT name MATCHES "^(layer|check|filler)$" AND EXISTS ${SOURCES}/layers/${name}.${ending})
        file(READ ${SOURCES}/layers/${name}.${ending} more)
        string(APPEND text "${more}")
      endif()
    endforeach()
  endforeach()
  string(REGEX MATCHALL "[a-z0-9_]+_param" params "${text}")
  list(REMOVE_DUPLICATES params)
  list(JOIN params " " params)
  string(APPEND docs "    {\"${file}\", R\"doc(${comment})doc\",\n     \"${params}\"},\n")
  math(EXPR count "${count} + 1")
endforeach()

file(WRITE ${OUT} "// Made by cli/docs.cmake.
#include \"cli/docs.hpp\"

namespace crema::cli {

const SourceDoc kSourceDocs[] = {
${docs}};
const size_t kSourceDocCount = ${count};

const unsigned char kDescriptors[] = {${bytes}};
const size_t kDescriptorBytes = ${length};

}  // namespace crema::cli
")
