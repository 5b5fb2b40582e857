// Gzip, by zlib.
#pragma once

#include <string>
#include <string_view>

namespace telaio::nn {

/// Whether the bytes begin as a gzip file does.
bool is_gzip(std::string_view bytes);

/// The packed content. Error, in the name of `name`, when the data are cut off or damaged, or
/// followed by something else. Several packed pieces in a row are one content.
std::string gunzip(std::string_view bytes, const std::string& name);
std::string gzip(std::string_view bytes);

/// A file's bytes, unpacked where they are gzip, whatever the file's name.
std::string read_file_unpacked(const std::string& path);

}  // namespace telaio::nn
