// Any text as a configuration: what is taken is whole, and reads the same again.
#include "app/config.hpp"
#include "base/bytes.hpp"
#include "base/check.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace callward;
  const std::string text(as_text({data, size}));
  const auto config = app::parse_config(text, "/x/callward.toml");
  if (!config) {
    CHECK(config.error().code == Errc::kConfig && !config.error().message.empty());
    return 0;
  }
  CHECK(!config->run_dir.empty() && config->run_dir[0] == '/');
  CHECK(!config->keys.mirrors.empty() && !config->listener.worker_argv.empty());
  CHECK(config->recorder.rtp_port_first < config->recorder.rtp_port_last);
  CHECK(config->socket("supervisor").size() < 108);
  const auto& courier = config->courier;
  if (courier.smtp)
    CHECK(courier.smtp->scheme == "smtps" || courier.smtp_starttls || courier.smtp->loopback);
  if (courier.sms) CHECK(courier.sms->scheme == "https" || courier.sms->loopback);
  for (const auto* path : {&config->data_dir, &config->log.dir, &config->recorder.objects_dir,
                           &config->server.database})
    CHECK(!path->empty() && path->front() == '/');
  return 0;
}
