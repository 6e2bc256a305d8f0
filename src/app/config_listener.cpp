// The listener's section, and what its keys come to as arguments of the worker that ships.
#include <algorithm>
#include <array>

#include "app/config_parts.hpp"

namespace callward::app {
namespace {

// It becomes a part of paths.
bool is_language(const std::string& text) {
  return (text.size() == 2 || text.size() == 3) &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

}  // namespace

Status read_listener(const toml::table& root, ListenerConfig& listener) {
  settings::Section section(root, "listener");
  const auto ours = listener.worker_argv;
  section.text("language", listener.language);
  if (!is_language(listener.language)) section.wrong("language", "two or three small letters");
  listener.grammar_dir = parent_of(listener.grammar_dir) + "/" + listener.language;
  listener.check = parent_of(listener.check) + "/" + listener.language + ".wav";
  section.number("workers", listener.workers, 1, 256);
  section.texts("worker", listener.worker_argv);
  section.text("model", listener.model);
  section.text("device", listener.device);
  section.text("compute", listener.compute);
  section.number("threads", listener.threads, 1, 64);
  section.path("grammar_dir", listener.grammar_dir);
  section.path("check", listener.check);
  section.number("behind_ms_max", listener.behind_ms_max, 1'000, 3'600'000);
  TRY(section.finish());
  if (listener.worker_argv.empty() || listener.worker_argv[0].empty())
    return fail(Errc::kConfig, "listener.worker must name a program");
  if (listener.device != "cpu" && listener.device != "cuda")
    return fail(Errc::kConfig, "listener.device is \"cpu\" or \"cuda\"");
  constexpr std::array kComputes = {"int8", "int8_float16", "float16", "float32"};
  if (std::find(kComputes.begin(), kComputes.end(), listener.compute) == kComputes.end())
    return fail(Errc::kConfig,
                "listener.compute is \"int8\", \"int8_float16\", \"float16\" or \"float32\"");
  const ListenerConfig usual;
  listener.other_worker = listener.worker_argv != ours;
  if (listener.other_worker && (!listener.model.empty() || listener.compute != usual.compute ||
                                listener.threads != usual.threads))
    return fail(Errc::kConfig,
                "listener.model, compute and threads are of the worker that ships; with "
                "listener.worker they belong among its arguments");
  return {};
}

// Only what is not usual: so a worker of before takes its arguments.
void finish_listener(ListenerConfig& listener) {
  if (listener.other_worker) return;
  const ListenerConfig usual;
  const auto add = [&](const char* option, const std::string& value, const std::string& otherwise) {
    if (value == otherwise) return;
    listener.worker_argv.emplace_back(option);
    listener.worker_argv.push_back(value);
  };
  add("--model", listener.model, usual.model);
  add("--language", listener.language, usual.language);
  add("--device", listener.device, usual.device);
  add("--compute", listener.compute, usual.compute);
  add("--threads", std::to_string(listener.threads), std::to_string(usual.threads));
}

}  // namespace callward::app
