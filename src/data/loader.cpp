#include "data/loader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include "data/batches.hpp"
#include "data/located.hpp"

namespace crema::data {

namespace {

// Threads fill a ring of slots, one batch each; next() hands them out in order.
//
// A thread always claims the lowest batch not yet claimed, and only when a slot is free, so the
// batch that next() waits for is either ready or being filled: nothing can lock up. seek() starts a
// new generation; what is still being filled for the old one is dropped when it is finished.
class PrefetchLoader final : public Loader {
 public:
  PrefetchLoader(const config::LayerConfig& layer, caffe::Phase phase, const LoaderOptions& options,
                 int prefetch)
      : batches_(layer, phase, options.seed),
        threads_wanted_(std::clamp(options.threads, 1, prefetch)),
        slots_(static_cast<size_t>(prefetch) + 1),  // and the one that the caller looks at
        position_(options.first_batch),
        claim_(options.first_batch) {}

  ~PrefetchLoader() override {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    work_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  const std::vector<Shape>& shapes() const override {
    return shown_ != nullptr ? shown_->data.shapes : batches_.shapes();
  }
  int64_t batch_size() const override { return batches_.batch_size(); }
  int64_t samples() const override { return batches_.samples(); }
  std::vector<int64_t> samples_of(int64_t batch) const override {
    return batches_.samples_of(batch);
  }
  std::string random_field() const override { return batches_.random_field(); }
  int64_t position() const override { return position_; }

  void seek(int64_t batch) override {
    CREMA_CHECK(batch >= 0, "batches count from 0");
    {
      const std::lock_guard lock(mutex_);
      if (batch == position_) return;
      ++generation_;
      for (Slot& slot : slots_)
        if (slot.state == State::kReady) slot.state = State::kFree;
      position_ = claim_ = batch;
    }
    work_.notify_all();
  }

  const std::vector<std::span<const float>>& next() override {
    if (threads_.empty()) start_threads();
    std::unique_lock lock(mutex_);
    shown_ = nullptr;
    for (Slot& slot : slots_)
      if (slot.state == State::kShown) slot.state = State::kFree;
    work_.notify_all();
    Slot* slot = nullptr;
    ready_.wait(lock, [&] { return (slot = find_ready()) != nullptr; });
    if (slot->failure) std::rethrow_exception(slot->failure);
    slot->state = State::kShown;
    shown_ = slot;
    slot->spans.assign(slot->data.tops.begin(), slot->data.tops.end());
    ++position_;
    return slot->spans;
  }

 private:
  enum class State { kFree, kFilling, kReady, kShown };
  struct Slot {
    State state = State::kFree;
    int64_t batch = 0;
    Batches::Batch data;
    std::vector<std::span<const float>> spans;
    std::exception_ptr failure;
  };

  // All the buffers are made here, so that running out of memory is reported by the first next().
  void start_threads() {
    for (Slot& slot : slots_) {
      slot.data.tops.clear();
      for (const Shape& shape : batches_.shapes())
        slot.data.tops.emplace_back(static_cast<size_t>(shape.count()));
    }
    for (int i = 0; i < threads_wanted_; ++i) threads_.emplace_back([this] { work(); });
  }

  Slot* find_ready() {
    for (Slot& slot : slots_)
      if (slot.state == State::kReady && slot.batch == position_) return &slot;
    return nullptr;
  }
  Slot* find_free() {
    for (Slot& slot : slots_)
      if (slot.state == State::kFree) return &slot;
    return nullptr;
  }

  void work() {
    Batches::Scratch scratch;
    std::unique_lock lock(mutex_);
    for (;;) {
      Slot* slot = nullptr;
      work_.wait(lock, [&] { return stop_ || (slot = find_free()) != nullptr; });
      if (stop_) return;
      slot->state = State::kFilling;
      slot->batch = claim_++;
      const uint64_t generation = generation_;
      lock.unlock();
      fill(*slot, scratch);
      lock.lock();
      slot->state = generation == generation_ ? State::kReady : State::kFree;
      // Whoever waits for a slot: next() for this batch, or a thread after a seek().
      ready_.notify_all();
      if (slot->state == State::kFree) work_.notify_all();
    }
  }

  void fill(Slot& slot, Batches::Scratch& scratch) const {
    slot.failure = nullptr;
    try {
      batches_.fill(slot.batch, scratch, slot.data);
    } catch (...) {
      slot.failure = std::current_exception();
    }
  }

  const Batches batches_;
  const int threads_wanted_;
  std::vector<Slot> slots_;
  const Slot* shown_ = nullptr;  // whose batch the caller looks at
  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable work_;   // a slot became free, or stop
  std::condition_variable ready_;  // a slot became ready
  int64_t position_;               // written under the mutex, by the caller's thread only
  int64_t claim_;
  uint64_t generation_ = 0;
  bool stop_ = false;
};

}  // namespace

bool is_source(const std::string& layer_type) {
  return Registry<SourceTag>::instance().find(layer_type) != nullptr;
}

std::vector<std::string> source_types() {
  return Registry<SourceTag>::instance().names();
}

std::unique_ptr<Loader> open_loader(const config::LayerConfig& layer, caffe::Phase phase,
                                    const LoaderOptions& options) {
  CREMA_CHECK(options.threads >= 1 && options.prefetch >= 0 && options.first_batch >= 0,
              "impossible loader options");
  // data_param's depth counts for every kind of source, as in BVLC.
  const int64_t depth =
      options.prefetch > 0 ? options.prefetch : int64_t{layer.param.data_param().prefetch()};
  constexpr int64_t kMostPrefetch = 1024;
  if (depth < 1 || depth > kMostPrefetch)
    throw config_error(layer, "data_param.prefetch",
                       fmt::format("prefetch must be 1 to {}, not {}", kMostPrefetch, depth));
  return std::make_unique<PrefetchLoader>(layer, phase, options, static_cast<int>(depth));
}

}  // namespace crema::data
