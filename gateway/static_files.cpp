// The page: every file of the web directory, read and compressed at the start and found by its exact path.
#include "static_files.h"

#include <zlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "conditional.h"
#include "problem.h"
#include "routes.h"
#include "text.h"

namespace opsadmin {
namespace {

constexpr const char* page = "/index.html";

constexpr std::pair<std::string_view, const char*> types[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".json", "application/json"},
    {".webmanifest", "application/manifest+json"},
    {".svg", "image/svg+xml"},
    {".txt", "text/plain; charset=utf-8"},
    {".png", "image/png"},
    {".ico", "image/x-icon"},
    {".woff2", "font/woff2"},
};

const char* type_of(std::string_view path) {
  for (const auto& [ending, type] : types)
    if (path.ends_with(ending)) return type;
  return "application/octet-stream";
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(stream), {}};
  if (!stream) throw std::runtime_error("cannot read " + path.string());
  return content;
}

std::string gzip(const std::string& body) {
  z_stream stream{};
  constexpr int gzip_window = 15 + 16;
  if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, gzip_window, 9, Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::runtime_error("cannot compress");
  std::string out(deflateBound(&stream, body.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));
  stream.avail_in = static_cast<uInt>(body.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int result = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  if (result != Z_STREAM_END) throw std::runtime_error("cannot compress");
  return out;
}

bool accepts_gzip(const Request& request) {
  for (const auto item : split(request.header("accept-encoding"), ',')) {
    const auto coding = trim(item.substr(0, item.find(';')));
    auto parameters = std::string(item.substr(std::min(item.size(), item.find(';'))));
    std::erase(parameters, ' ');
    const bool refused = parameters == ";q=0" || parameters.starts_with(";q=0.000");
    if (equal_ignoring_case(coding, "gzip")) return !refused;
  }
  return false;
}

}  // namespace

StaticFiles::StaticFiles(const std::string& directory) {
  namespace fs = std::filesystem;
  const fs::path root(directory);
  if (!fs::is_regular_file(root / "index.html"))
    throw std::runtime_error(directory + " holds no index.html: build the page and name its directory with --web");
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (!entry.is_regular_file()) continue;
    const auto path = "/" + entry.path().lexically_relative(root).generic_string();
    File file;
    file.type = type_of(path);
    file.body = read_file(entry.path());
    file.tag = entity_tag(file.body);
    file.compressed = gzip(file.body);
    if (file.compressed.size() >= file.body.size()) file.compressed.clear();
    file.compressed_tag = entity_tag(file.compressed);
    file.immutable = path.starts_with("/assets/");
    files_.emplace(path, std::move(file));
  }
}

Reply StaticFiles::handle(const Request& request) const {
  const bool root = request.path == "/";
  // The page reads the rest of its address itself.
  const auto found = files_.find(site_of(request.path) ? page : request.path);
  if (!root && found == files_.end()) throw make_problem("OA102");
  if (request.method != "GET" && request.method != "HEAD") {
    Problem problem = make_problem("OA103");
    problem.headers.emplace_back("Allow", "GET, HEAD");
    throw problem;
  }
  Reply reply;
  if (root) {
    reply.status = 302;
    reply.set("Location", "/admin/");
    return reply;
  }
  const File& file = found->second;
  const bool compressed = !file.compressed.empty() && accepts_gzip(request);
  reply.set("Content-Type", file.type);
  reply.set("Cache-Control", file.immutable ? "public, max-age=31536000, immutable" : "no-cache");
  if (!file.compressed.empty()) reply.set("Vary", "Accept-Encoding");
  if (compressed) reply.set("Content-Encoding", "gzip");
  reply.body = compressed ? file.compressed : file.body;
  apply_entity_tag(request, compressed ? file.compressed_tag : file.tag, reply);
  return reply;
}

}  // namespace opsadmin
