#include "api/static_files.hpp"

#include "crypto/sha256.hpp"

namespace callward::api {
namespace {

std::string type_of(const std::string& name) {
  static const std::map<std::string, std::string> types = {
      {"html", "text/html; charset=utf-8"},
      {"js", "text/javascript; charset=utf-8"},
      {"css", "text/css; charset=utf-8"},
      {"svg", "image/svg+xml; charset=utf-8"},
      {"png", "image/png"},
      {"ico", "image/x-icon"},
      {"woff2", "font/woff2"},
      {"json", "application/json"},
      {"webmanifest", "application/manifest+json"},
      {"txt", "text/plain; charset=utf-8"}};
  const auto dot = name.find_last_of('.');
  const auto found = dot == std::string::npos ? types.end() : types.find(name.substr(dot + 1));
  return found == types.end() ? "application/octet-stream" : found->second;
}

Status collect(Vfs& vfs, const std::string& dir, const std::string& below, int depth,
               std::vector<std::string>& out) {
  constexpr int kDepthMax = 6;
  if (depth > kDepthMax) return {};
  for (const auto& name : TRY(vfs.list(dir + below))) {
    const auto path = below + "/" + name;
    if (vfs.list(dir + path))
      TRY(collect(vfs, dir, path, depth + 1, out));
    else if (out.size() < StaticFiles::kFilesMax)
      out.push_back(path);
  }
  return {};
}

}  // namespace

std::vector<std::pair<std::string, std::string>> security_headers() {
  return {{"Content-Security-Policy",
           "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src "
           "'self' data:; font-src 'self';"
           " connect-src 'self'; media-src 'self' blob:; base-uri 'none'; form-action 'none'; "
           "frame-ancestors 'none';"
           " require-trusted-types-for 'script'; trusted-types callward svelte-trusted-html"},
          {"X-Content-Type-Options", "nosniff"},
          {"X-Frame-Options", "DENY"},
          {"Referrer-Policy", "no-referrer"},
          {"Cross-Origin-Opener-Policy", "same-origin"},
          {"Cross-Origin-Resource-Policy", "same-origin"},
          {"Permissions-Policy", "camera=(), microphone=(), geolocation=()"},
          {"Strict-Transport-Security", "max-age=31536000"}};
}

Result<StaticFiles> StaticFiles::load(Vfs& vfs, const std::string& dir) {
  StaticFiles files;
  std::vector<std::string> names;
  if (!vfs.list(dir)) return files;
  TRY(collect(vfs, dir, "", 0, names));
  for (const auto& name : names) {
    const auto raw = TRY(vfs.read_file(dir + name, kFileBytesMax));
    File file{std::string(as_text(raw)), type_of(name),
              "\"" + to_hex(ByteView(crypto::sha256(raw)).first(12)) + "\"",
              name.rfind("/assets/", 0) == 0};
    files.files_[name] = std::move(file);
  }
  return files;
}

Response StaticFiles::serve(const Request& request) const {
  auto found = files_.find(request.path == "/" ? "/index.html" : request.path);
  if (found == files_.end() && request.path.find('.') == std::string::npos)
    found = files_.find("/index.html");
  if (found == files_.end())
    return Response::problem(404, "not found",
                             files_.empty() ? "the console is not installed here" : "no such file");
  const auto& file = found->second;
  Response response;
  response.content_type = file.type;
  response.headers.emplace_back("ETag", file.etag);
  response.headers.emplace_back(
      "Cache-Control", file.immutable ? "public, max-age=31536000, immutable" : "no-cache");
  if (request.header("if-none-match") == file.etag)
    response.status = 304;
  else
    response.body = file.content;
  return response;
}

}  // namespace callward::api
